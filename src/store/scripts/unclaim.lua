#!lua
-- Gives up an engine's claim, if it has it.
--
-- KEYS  1 claim
-- ARGV  1 owner

if redis.call("HGET", KEYS[1], "owner") == ARGV[1] then redis.call("DEL", KEYS[1]) end
return 0
