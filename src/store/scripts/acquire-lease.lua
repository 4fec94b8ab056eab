#!lua
-- Takes the lease if it is free or the holder's own, and renews it.
-- A new epoch is max(old + 1, now in ms): a Redis that lost its tail cannot issue an old one again.
--
-- KEYS  1 lease   2 last epoch issued
-- ARGV  1 holder   2 how long, ms
--
-- Answers {1, epoch} when held, {0, other holder, remaining ms} when not.

local held = redis.call("HMGET", KEYS[1], "holder", "epoch")
if held[1] and held[1] ~= ARGV[1] then
  return { 0, held[1], math.max(redis.call("PTTL", KEYS[1]), 0) }
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
