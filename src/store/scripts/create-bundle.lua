#!lua
-- Keeps the list of files of a bundle, if all its files are kept.
--
-- KEYS  1 files (set)   2 unneeded (set)   3 bundles (set)   4 the list's place
-- ARGV  1 the SHA-256 of the list   2 the list   then the SHA-256 of each file, once
--
-- Returns the SHA-256 of the files that are not kept; none: the bundle is kept.

local missing = {}
for i = 3, #ARGV do
  if redis.call("SISMEMBER", KEYS[1], ARGV[i]) == 0 then missing[#missing + 1] = ARGV[i] end
end
if #missing > 0 then return missing end
for i = 3, #ARGV do redis.call("SREM", KEYS[2], "file " .. ARGV[i]) end
redis.call("SREM", KEYS[2], "bundle " .. ARGV[1])
redis.call("SADD", KEYS[3], ARGV[1])
redis.call("SET", KEYS[4], ARGV[2])
return {}
