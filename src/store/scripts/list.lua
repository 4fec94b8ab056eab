#!lua flags=no-writes
-- One page of a kind, and the position it belongs to.
--
-- KEYS  1 position   2 hash of objects   3 index of their keys
-- ARGV  1 where the page starts, for ZRANGE BYLEX ("-", or "(" and the key before it)
--       2 how many entries at most
--
-- Returns {"empty"} | {position, 1 if there are more else 0, key, object, key, object, …}.

local position = redis.call("GET", KEYS[1])
if not position then return { "empty" } end

local limit = tonumber(ARGV[2])
local keys = redis.call("ZRANGE", KEYS[3], ARGV[1], "+", "BYLEX", "LIMIT", 0, limit + 1)
local page = { tonumber(position), #keys > limit and 1 or 0 }
for i = 1, math.min(#keys, limit) do
  page[#page + 1] = keys[i]
  page[#page + 1] = redis.call("HGET", KEYS[2], keys[i])
end
return page
