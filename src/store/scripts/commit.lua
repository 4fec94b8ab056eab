#!lua
-- The only script that writes objects: all writes or none.
--
-- KEYS  1 position   2 changes   3 lease
--       4 contents: digest -> JSON   5 how many hold each: holder .. digest -> number
--       6 bytes of the kept changes and answers   7 kept answers by when they expire
--       8, 9  10, 11 ...   hash of objects and index of their keys, for each kind in `kinds`
--       last               the request's record (only for a request: then the number of keys is even)
-- ARGV  1 epoch that must hold the lease, or "" for none
--       2 fingerprint of the request   3 its answer   4 the answer's references
--       5 the stored answer that this one replaces, or ""   6 that answer's references
--       7 request id   8 the key of a request's record without its id   9 how long to keep it, ms
--       10 how many changes to keep   11 their most bytes   12 the most bytes of answers
--       13 the number of contents, then for each: digest, JSON
--       then for each write: "put" or "delete", number of the kind (from 1), its name, key, version
--       read, value as JSON ("" for delete), its references. The same with "check" for an object that
--       must be unchanged and is not written
--
-- Returns {"empty"} | {"replayed"} | {"reused"} | {"fenced", epoch} | {"conflict", key, found}
--       | {"missing"}: a content is not kept; send all of them | {"committed", position before}.
-- An object is stored as "<version> <JSON>", with references as "<version> <references> <JSON>".
-- References are `path=digest`, separated by commas. Each change has the microsecond it was made,
-- which distinguishes two histories.
-- A content is dropped when nothing holds it: "o" objects, "c" changes, "a" answers. A content that
-- no object holds counts towards the bytes of the changes and of the answers that do.

if redis.call("EXISTS", KEYS[1]) == 0 then return { "empty" } end

local overhead = 128 -- as `overheadBytes`
local objectsOf = function(kind) return KEYS[6 + 2 * kind] end
local indexOf = function(kind) return KEYS[7 + 2 * kind] end
local request = #KEYS % 2 == 0 and KEYS[#KEYS]
local digestsIn = function(references) return string.gmatch(references, "=([^,]+)") end

local count = function(holder, digest) return tonumber(redis.call("HGET", KEYS[5], holder .. digest) or "0") end
local bytesOf = function(history) return tonumber(redis.call("HGET", KEYS[6], history) or "0") end
local charge = function(history, bytes)
  if bytes ~= 0 then redis.call("HINCRBY", KEYS[6], history, bytes) end
end
local charged = function(history, digest)
  if count("o", digest) > 0 or count(history, digest) == 0 then return 0 end
  return redis.call("HSTRLEN", KEYS[4], digest)
end

local hold = function(holder, references, by)
  for digest in digestsIn(references) do
    local c, a = charged("c", digest), charged("a", digest)
    if redis.call("HINCRBY", KEYS[5], holder .. digest, by) == 0 then redis.call("HDEL", KEYS[5], holder .. digest) end
    charge("c", charged("c", digest) - c)
    charge("a", charged("a", digest) - a)
    if count("o", digest) + count("c", digest) + count("a", digest) == 0 then redis.call("HDEL", KEYS[4], digest) end
  end
end

if request then
  local before = redis.call("HMGET", request, "fingerprint", "answer", "contents")
  if before[1] then
    if before[1] ~= ARGV[2] then return { "reused" } end
    local same = ARGV[5] ~= "" and before[2] == ARGV[5] and (before[3] or "") == ARGV[6]
    if not same then return { "replayed" } end
  end
end

if ARGV[1] ~= "" then
  local epoch = redis.call("HGET", KEYS[3], "epoch") or "0"
  if epoch ~= ARGV[1] then return { "fenced", tonumber(epoch) } end
end

local writes = {}
local firstWrite = 14 + 2 * tonumber(ARGV[13])
for i = firstWrite, #ARGV, 7 do
  local write = { op = ARGV[i], kind = tonumber(ARGV[i + 1]), name = ARGV[i + 2], key = ARGV[i + 3], value = ARGV[i + 5], references = ARGV[i + 6] }
  local kept = redis.call("HGET", objectsOf(write.kind), write.key)
  local found = kept and tonumber(string.match(kept, "^%d+")) or 0
  if found ~= tonumber(ARGV[i + 4]) then return { "conflict", write.key, found } end
  if write.op ~= "check" then writes[#writes + 1] = write end
end

local given = {}
for i = 14, firstWrite - 1, 2 do given[ARGV[i]] = ARGV[i + 1] end
local isMissing = function(references)
  for digest in digestsIn(references) do
    if not given[digest] and redis.call("HEXISTS", KEYS[4], digest) == 0 then return true end
  end
  return false
end
if request and isMissing(ARGV[4]) then return { "missing" } end
for _, write in ipairs(writes) do
  if isMissing(write.references) then return { "missing" } end
end
for digest, json in pairs(given) do redis.call("HSETNX", KEYS[4], digest, json) end

local time = redis.call("TIME")
local nowUs = tonumber(time[1]) * 1000000 + tonumber(time[2])
local at = time[1] .. string.format("%06d", tonumber(time[2]))

-- The bytes of a change in the stream, and its references.
local costOf = function(entry)
  local fields = {}
  for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
  local references = fields.contents or ""
  return #(fields.key or "") + #(fields.value or "") + #references + overhead, references
end
-- The stream of an earlier version is not counted: only its last change stays.
if redis.call("HEXISTS", KEYS[6], "c") == 0 then
  redis.call("XTRIM", KEYS[2], "MAXLEN", 1)
  local last = redis.call("XRANGE", KEYS[2], "-", "+", "COUNT", 1)[1]
  redis.call("HSET", KEYS[6], "c", last and costOf(last) or 0)
end

local before = tonumber(redis.call("GET", KEYS[1]) or "0")
local released = {}
for i, write in ipairs(writes) do
  local position = string.format("%.0f", before + i)
  local replaced = redis.call("HGET", objectsOf(write.kind), write.key)
  released[#released + 1] = replaced and string.match(replaced, "^%d+ ([^{ ]+) ") or nil
  local change = { "kind", write.name, "key", write.key, "at", at }
  if write.op == "put" then
    local references = write.references == "" and "" or write.references .. " "
    redis.call("HSET", objectsOf(write.kind), write.key, position .. " " .. references .. write.value)
    redis.call("ZADD", indexOf(write.kind), 0, write.key)
    change[7] = "value"
    change[8] = write.value
    if references ~= "" then
      change[9] = "contents"
      change[10] = write.references
    end
    hold("o", write.references, 1)
  else
    redis.call("HDEL", objectsOf(write.kind), write.key)
    redis.call("ZREM", indexOf(write.kind), write.key)
  end
  redis.call("XADD", KEYS[2], position .. "-0", unpack(change))
  hold("c", write.references, 1)
  charge("c", #write.key + #write.value + #write.references + overhead)
end
if #writes > 0 then redis.call("INCRBY", KEYS[1], #writes) end

-- An answer is counted under "<id> <bytes> <references>".
local forget = function(counted)
  local id, bytes, references = string.match(counted, "^(.*) (%d+) (%S*)$")
  redis.call("ZREM", KEYS[7], counted)
  hold("a", references, -1)
  charge("a", -tonumber(bytes))
  return id
end
for _, expired in ipairs(redis.call("ZRANGEBYSCORE", KEYS[7], "-inf", string.format("%.0f", nowUs), "LIMIT", 0, 100)) do forget(expired) end
if request then
  hold("a", ARGV[4], 1)
  local cost = function(answer, references) return #ARGV[7] + #answer + #references + overhead end
  local counted = function(answer, references) return ARGV[7] .. " " .. cost(answer, references) .. " " .. references end
  if redis.call("ZSCORE", KEYS[7], counted(ARGV[5], ARGV[6])) then forget(counted(ARGV[5], ARGV[6])) end
  if redis.call("ZSCORE", KEYS[7], counted(ARGV[3], ARGV[4])) then forget(counted(ARGV[3], ARGV[4])) end
  redis.call("HSET", request, "fingerprint", ARGV[2], "answer", ARGV[3], "contents", ARGV[4])
  redis.call("PEXPIRE", request, ARGV[9])
  redis.call("ZADD", KEYS[7], string.format("%.0f", nowUs + 1000 * tonumber(ARGV[9])), counted(ARGV[3], ARGV[4]))
  charge("a", cost(ARGV[3], ARGV[4]))
end

-- What was written may refer to the contents of what it replaced: those are released at the end.
for _, references in ipairs(released) do hold("o", references, -1) end

while redis.call("XLEN", KEYS[2]) > tonumber(ARGV[10]) or bytesOf("c") > tonumber(ARGV[11]) do
  local oldest = redis.call("XRANGE", KEYS[2], "-", "+", "COUNT", 2)
  if #oldest < 2 then break end
  local bytes, references = costOf(oldest[1])
  redis.call("XDEL", KEYS[2], oldest[1][1])
  hold("c", references, -1)
  charge("c", -bytes)
end
while redis.call("ZCARD", KEYS[7]) > 1 and bytesOf("a") > tonumber(ARGV[12]) do
  redis.call("DEL", ARGV[8] .. forget(redis.call("ZRANGE", KEYS[7], 0, 0)[1]))
end
return { "committed", before }
