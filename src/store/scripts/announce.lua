#!lua
-- Announces a controller, and removes expired announcements.
--
-- KEYS  1 hash of controllers: id → "<expires at, ms> <started at, ms>"
-- ARGV  1 id   2 started at, ms   3 how long, ms

local time = redis.call("TIME")
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local all = redis.call("HGETALL", KEYS[1])
local latestMs = nowMs + tonumber(ARGV[3])
for i = 1, #all, 2 do
  local expiresAtMs, startedAtMs = string.match(all[i + 1], "^(%d+) (%d+)$")
  if tonumber(expiresAtMs) <= nowMs then
    redis.call("HDEL", KEYS[1], all[i])
  elseif tonumber(expiresAtMs) > latestMs then
    -- The wall clock of Redis was set back: no announcement lasts longer than asked for.
    redis.call("HSET", KEYS[1], all[i], string.format("%.0f %s", latestMs, startedAtMs))
  end
end
redis.call("HSET", KEYS[1], ARGV[1], string.format("%.0f %s", latestMs, ARGV[2]))
return 0
