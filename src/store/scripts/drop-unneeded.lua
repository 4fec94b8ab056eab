#!lua
-- Drops what is still noted as unneeded: a use takes the note away.
--
-- KEYS  1 unneeded (set)   2 the set that has them   3 sizes (hash)   then the place of each
-- ARGV  1 "file " or "bundle "   then the SHA-256 of each
--
-- Returns how many were dropped.

local dropped = 0
for i = 2, #ARGV do
  if redis.call("SREM", KEYS[1], ARGV[1] .. ARGV[i]) == 1 then
    redis.call("SREM", KEYS[2], ARGV[i])
    redis.call("HDEL", KEYS[3], ARGV[1] .. ARGV[i])
    redis.call("UNLINK", KEYS[i + 2])
    dropped = dropped + 1
  end
end
return dropped
