#!lua flags=allow-oom
-- What is to be recorded gets its place in the audit's chain, once: records are published, and kept for the archive.
--
-- KEYS  1 the chain's head  2 what is to be recorded  3 outbox  4 records for the archive  5 counters
-- ARGV  1 head that was read ("" none)  2 run of Redis that it was read from  3 new head
--       4 how many records wait for the archive at most ("0": there is no archive)  5 number of entries
--       6… ids of the entries, then for each record: topic, key, headers, value
if (redis.call("GET", KEYS[1]) or "") ~= ARGV[1] then return "conflict" end
if string.match(redis.call("INFO", "server"), "run_id:(%w+)") ~= ARGV[2] then return "another run" end
local most, entries = tonumber(ARGV[4]), tonumber(ARGV[5])
for i = 6, 5 + entries do redis.call("XDEL", KEYS[2], ARGV[i]) end
for i = 6 + entries, #ARGV, 4 do
  redis.call("XADD", KEYS[3], "*", "topic", ARGV[i], "key", ARGV[i+1], "headers", ARGV[i+2], "value", ARGV[i+3])
  if most > 0 then redis.call("XADD", KEYS[4], "*", "line", ARGV[i+3]) end
end
if most > 0 then
  local over = redis.call("XTRIM", KEYS[4], "MAXLEN", most)
  if over > 0 then redis.call("HINCRBY", KEYS[5], "audit-not-archived", over) end
end
redis.call("SET", KEYS[1], ARGV[3])
return "sealed"
