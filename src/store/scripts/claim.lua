#!lua
-- Claims the store for one engine, or renews its claim. Another engine's claim stays.
--
-- KEYS  1 claim
-- ARGV  1 owner   2 the claim, for others to read   3 for how long, ms
--
-- Returns {1} if it is claimed, else {0, the claim of the other owner, remaining ms}.

local claim = redis.call("HMGET", KEYS[1], "owner", "info")
if claim[1] and claim[1] ~= ARGV[1] then
  -- Redis counts by the wall clock. After a step of it back, nobody waits longer than asked for.
  if redis.call("PTTL", KEYS[1]) > tonumber(ARGV[3]) then redis.call("PEXPIRE", KEYS[1], ARGV[3]) end
  return { 0, claim[2], math.max(redis.call("PTTL", KEYS[1]), 0) }
end
redis.call("HSET", KEYS[1], "owner", ARGV[1], "info", ARGV[2])
redis.call("PEXPIRE", KEYS[1], ARGV[3])
return { 1 }
