#!lua flags=no-writes
-- The changes after a position, if the caller's history is still this one.
--
-- KEYS  1 position   2 changes
-- ARGV  1 the caller's position   2 when it was made, as the caller knows, or ""
--       3 how many changes at most
--
-- Returns {"empty"}, or {"lost", position, 1 if the state went back else 0},
-- or {"changes", entries, when the caller's position was made or ""}.

local position = tonumber(redis.call("GET", KEYS[1]) or "")
if not position then return { "empty" } end
local after = tonumber(ARGV[1])
if position < after then return { "lost", position, 1 } end

local at = ""
local id = ARGV[1] .. "-0"
local last = redis.call("XRANGE", KEYS[2], id, id)[1]
if last then
  local fields = last[2]
  for i = 1, #fields, 2 do
    if fields[i] == "at" then at = fields[i + 1] end
  end
end
if ARGV[2] ~= "" and ARGV[2] ~= at then
  return { "lost", position, last and 1 or 0 }
end

local entries = {}
if position > after then
  local first = string.format("%.0f-0", after + 1)
  entries = redis.call("XRANGE", KEYS[2], first, "+", "COUNT", ARGV[3])
  if not entries[1] or entries[1][1] ~= first then return { "lost", position, 0 } end
end
return { "changes", entries, at }
