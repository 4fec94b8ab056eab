#!lua
-- Keeps uploaded files, all or none. A file that is kept already stays as it is.
--
-- KEYS  1 files (set)   2 unneeded (set)   then, for each file: its upload, its place
-- ARGV  the SHA-256 of each file
--
-- Returns {1}, or {0, the SHA-256 of a file whose upload is gone}.

for i, sha256 in ipairs(ARGV) do
  if redis.call("SISMEMBER", KEYS[1], sha256) == 0 and redis.call("EXISTS", KEYS[1 + 2 * i]) == 0 then
    return { 0, sha256 }
  end
end
for i, sha256 in ipairs(ARGV) do
  local upload, place = KEYS[1 + 2 * i], KEYS[2 + 2 * i]
  if redis.call("SADD", KEYS[1], sha256) == 1 then
    redis.call("RENAME", upload, place)
    redis.call("PERSIST", place)
  else
    redis.call("UNLINK", upload)
  end
  redis.call("SREM", KEYS[2], "file " .. sha256)
end
return { 1 }
