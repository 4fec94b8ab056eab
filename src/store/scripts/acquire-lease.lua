#!lua
-- Takes the lease if it is free, and renews it if the holder has it.
-- A new epoch is max(old + 1, now in ms): a Redis that lost its last writes cannot
-- issue an old epoch again. An empty Redis has no position, and nobody leads it: it must be
-- filled first (fill.lua).
--
-- KEYS  1 lease   2 last epoch issued   3 position
-- ARGV  1 holder   2 how long, ms
--
-- Returns {1, epoch} if held, else {0, other holder, remaining ms, its epoch} | {"empty"}.

if redis.call("EXISTS", KEYS[3]) == 0 then return { "empty" } end

local held = redis.call("HMGET", KEYS[1], "holder", "epoch")
if held[1] and held[1] ~= ARGV[1] then
  -- Redis counts by the wall clock. After a step of it back, nobody waits longer than asked for.
  if redis.call("PTTL", KEYS[1]) > tonumber(ARGV[2]) then redis.call("PEXPIRE", KEYS[1], ARGV[2]) end
  return { 0, held[1], math.max(redis.call("PTTL", KEYS[1]), 0), tonumber(held[2]) }
end

local epoch = tonumber(held[2])
if not epoch then
  local time = redis.call("TIME")
  local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  epoch = math.max(tonumber(redis.call("GET", KEYS[2]) or "0") + 1, nowMs)
  redis.call("SET", KEYS[2], string.format("%.0f", epoch))
  redis.call("HSET", KEYS[1], "holder", ARGV[1], "epoch", string.format("%.0f", epoch))
end
redis.call("PEXPIRE", KEYS[1], ARGV[2])
return { 1, epoch }
