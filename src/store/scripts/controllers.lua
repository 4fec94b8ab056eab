#!lua flags=no-writes
-- The controllers whose announcement has not expired, and the leader.
--
-- KEYS  1 hash of controllers: id → "<expires at, ms> <started at, ms>"   2 lease
--
-- Returns {leader or "", epoch or 0, id, started at, id, started at, …}.

local time = redis.call("TIME")
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local lease = redis.call("HMGET", KEYS[2], "holder", "epoch")
local answer = { lease[1] or "", tonumber(lease[2] or "0") }
local all = redis.call("HGETALL", KEYS[1])
for i = 1, #all, 2 do
  local expiresAtMs, startedAtMs = string.match(all[i + 1], "^(%d+) (%d+)$")
  if tonumber(expiresAtMs) > nowMs then
    answer[#answer + 1] = all[i]
    answer[#answer + 1] = startedAtMs
  end
end
return answer
