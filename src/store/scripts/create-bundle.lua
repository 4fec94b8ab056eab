#!lua
-- Keeps the list of files of a bundle, if all its files are kept with the sizes of the list.
--
-- KEYS  1 files (set)   2 unneeded (set)   3 bundles (set)   4 the list's place   5 sizes (hash)
-- ARGV  1 the SHA-256 of the list   2 the list   then for each file: its SHA-256, its bytes
--
-- Returns {"missing", the SHA-256 of each file that is not kept}, {"otherSize", a SHA-256, the bytes
-- that the file has}, or {"created"}.

local missing = { "missing" }
for i = 3, #ARGV, 2 do
  if redis.call("SISMEMBER", KEYS[1], ARGV[i]) == 0 then missing[#missing + 1] = ARGV[i] end
end
if #missing > 1 then return missing end
for i = 3, #ARGV, 2 do
  local size = redis.call("HGET", KEYS[5], "file " .. ARGV[i])
  if size ~= ARGV[i + 1] then return { "otherSize", ARGV[i], size } end
end
for i = 3, #ARGV, 2 do redis.call("SREM", KEYS[2], "file " .. ARGV[i]) end
redis.call("SREM", KEYS[2], "bundle " .. ARGV[1])
redis.call("SADD", KEYS[3], ARGV[1])
redis.call("SET", KEYS[4], ARGV[2])
return { "created" }
