#!lua
-- Fills an empty Redis with a whole state that was staged under other keys: all of it or nothing.
-- Only the first of several callers succeeds. A new Redis is filled, too: with no objects and
-- position 0.
--
-- KEYS  1 position   2 lease   3 last epoch issued   4 changes   5 bytes   6 kept answers by when
--       they expire
--       then staged key, key ... of the contents, of who holds them, and of the objects
--       then the records of requests
-- ARGV  1 position of the state   2 the highest epoch known; a new one is higher
--       3 who gets the lease, or "" for nobody   4 for how long, ms   5 bytes of the answers
--       6 number of staged keys
--       then for each request: fingerprint, answer, its references, how long to keep it in ms, and
--       how `commit.lua` counts it
--
-- Returns {"kept", position} if there is a state, else {"filled", epoch}.

local staged = tonumber(ARGV[6])
local position = redis.call("GET", KEYS[1])
if position then
  for i = 1, staged do redis.call("UNLINK", KEYS[5 + 2 * i]) end
  return { "kept", tonumber(position) }
end

for i = 1, staged do
  local from, to = KEYS[5 + 2 * i], KEYS[6 + 2 * i]
  redis.call("UNLINK", to)
  if redis.call("EXISTS", from) == 1 then
    redis.call("RENAME", from, to)
    redis.call("PERSIST", to)
  end
end
redis.call("UNLINK", KEYS[2], KEYS[4], KEYS[5], KEYS[6])
redis.call("SET", KEYS[1], ARGV[1])
redis.call("HSET", KEYS[5], "c", 0, "a", ARGV[5])

local time = redis.call("TIME")
local nowUs = tonumber(time[1]) * 1000000 + tonumber(time[2])
for i = 7 + 2 * staged, #KEYS do
  local at = 7 + 5 * (i - 7 - 2 * staged)
  redis.call("HSET", KEYS[i], "fingerprint", ARGV[at], "answer", ARGV[at + 1], "contents", ARGV[at + 2])
  redis.call("PEXPIRE", KEYS[i], ARGV[at + 3])
  redis.call("ZADD", KEYS[6], string.format("%.0f", nowUs + 1000 * tonumber(ARGV[at + 3])), ARGV[at + 4])
end

local epoch = math.max(tonumber(redis.call("GET", KEYS[3]) or "0"), tonumber(ARGV[2]))
if ARGV[3] ~= "" then
  epoch = math.max(epoch + 1, math.floor(nowUs / 1000))
  redis.call("HSET", KEYS[2], "holder", ARGV[3], "epoch", string.format("%.0f", epoch))
  redis.call("PEXPIRE", KEYS[2], ARGV[4])
end
redis.call("SET", KEYS[3], string.format("%.0f", epoch))
return { "filled", epoch }
