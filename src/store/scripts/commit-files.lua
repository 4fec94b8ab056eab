#!lua
-- Keeps uploaded files, all or none. A file that is kept already stays as it is.
--
-- KEYS  1 files (set)   2 unneeded (set)   3 sizes (hash)   then, for each file: its upload, its place
-- ARGV  for each file: its SHA-256, its bytes
--
-- Returns {1}, or {0, the SHA-256 of a file whose upload is gone}.

for i = 1, #ARGV, 2 do
  local sha256 = ARGV[i]
  if redis.call("SISMEMBER", KEYS[1], sha256) == 0 and redis.call("EXISTS", KEYS[3 + i]) == 0 then
    return { 0, sha256 }
  end
end
for i = 1, #ARGV, 2 do
  local sha256, upload, place = ARGV[i], KEYS[3 + i], KEYS[4 + i]
  if redis.call("SADD", KEYS[1], sha256) == 1 then
    redis.call("RENAME", upload, place)
    redis.call("PERSIST", place)
    redis.call("HSET", KEYS[3], "file " .. sha256, ARGV[i + 1])
  else
    redis.call("UNLINK", upload)
  end
  redis.call("SREM", KEYS[2], "file " .. sha256)
end
return { 1 }
