#!lua
-- The only script that writes objects: all writes or none.
--
-- KEYS  1 position   2 changes   3 lease
--       4, 5  6, 7 ...     hash of objects and index of their keys, for each kind in `kinds`
--       last               the request's record (only for a request: then the number of keys is even)
-- ARGV  1 epoch that must hold the lease, or "" for none
--       2 fingerprint of the request   3 its answer   4 how long to keep it, ms
--       5 how many changes to keep   6 the stored answer that this one replaces, or ""
--       then for each write: "put" or "delete", number of the kind (from 1), its name, key, version
--       read, value as JSON ("" for delete). The same with "check" for an object that must be
--       unchanged and is not written
--
-- Returns {"replayed", answer} | {"reused"} | {"fenced", epoch} | {"conflict", key, found}
--       | {"committed", position before}.
-- An object is stored as "<version> <JSON>". Each change has the microsecond it was made, which
-- distinguishes two histories.

local objectsOf = function(kind) return KEYS[2 + 2 * kind] end
local indexOf = function(kind) return KEYS[3 + 2 * kind] end
local request = #KEYS % 2 == 0 and KEYS[#KEYS]

if request then
  local before = redis.call("HMGET", request, "fingerprint", "answer")
  if before[1] then
    if before[1] ~= ARGV[2] then return { "reused" } end
    if ARGV[6] == "" or before[2] ~= ARGV[6] then return { "replayed", before[2] } end
  end
end

if ARGV[1] ~= "" then
  local epoch = redis.call("HGET", KEYS[3], "epoch") or "0"
  if epoch ~= ARGV[1] then return { "fenced", tonumber(epoch) } end
end

local writes = {}
for i = 7, #ARGV, 6 do
  local write = { op = ARGV[i], kind = tonumber(ARGV[i + 1]), name = ARGV[i + 2], key = ARGV[i + 3], value = ARGV[i + 5] }
  local kept = redis.call("HGET", objectsOf(write.kind), write.key)
  local found = kept and tonumber(string.match(kept, "^%d+")) or 0
  if found ~= tonumber(ARGV[i + 4]) then return { "conflict", write.key, found } end
  if write.op ~= "check" then writes[#writes + 1] = write end
end

local time = redis.call("TIME")
local at = time[1] .. string.format("%06d", tonumber(time[2]))
local before = tonumber(redis.call("GET", KEYS[1]) or "0")
for i, write in ipairs(writes) do
  local position = string.format("%.0f", before + i)
  local change = { "kind", write.name, "key", write.key, "at", at }
  if write.op == "put" then
    redis.call("HSET", objectsOf(write.kind), write.key, position .. " " .. write.value)
    redis.call("ZADD", indexOf(write.kind), 0, write.key)
    change[7] = "value"
    change[8] = write.value
  else
    redis.call("HDEL", objectsOf(write.kind), write.key)
    redis.call("ZREM", indexOf(write.kind), write.key)
  end
  redis.call("XADD", KEYS[2], "MAXLEN", "~", ARGV[5], position .. "-0", unpack(change))
end
if #writes > 0 then redis.call("INCRBY", KEYS[1], #writes) end

if request then
  redis.call("HSET", request, "fingerprint", ARGV[2], "answer", ARGV[3])
  redis.call("PEXPIRE", request, ARGV[4])
end
return { "committed", before }
