#!lua flags=allow-oom
-- What is to be recorded gets its place in the audit's chain, once: records are published, and kept for the archive.
--
-- KEYS  1 the chain's head  2 what is to be recorded  3 the audit's outbox  4 records for the archive  5 counters
-- ARGV  1 head that was read ("" none)  2 run of Redis that it was read from  3 new head
--       4 how many records wait at most, for Kafka and for the archive each  5 "1": there is an archive
--       6 counter of what was given up for Kafka  7 of what was for the archive  8 how the field of its time ends  9 now
--       10 number of entries  11… their ids, then for each record: topic, key, headers, value
if (redis.call("GET", KEYS[1]) or "") ~= ARGV[1] then return "conflict" end
if string.match(redis.call("INFO", "server"), "run_id:(%w+)") ~= ARGV[2] then return "another run" end
local entries = tonumber(ARGV[10])
for i = 11, 10 + entries do redis.call("XDEL", KEYS[2], ARGV[i]) end
for i = 11 + entries, #ARGV, 4 do
  redis.call("XADD", KEYS[3], "*", "topic", ARGV[i], "key", ARGV[i+1], "headers", ARGV[i+2], "value", ARGV[i+3])
  if ARGV[5] == "1" then redis.call("XADD", KEYS[4], "*", "line", ARGV[i+3]) end
end
for i, name in ipairs({ARGV[6], ARGV[7]}) do
  local over = redis.call("XTRIM", KEYS[2 + i], "MAXLEN", ARGV[4])
  if over > 0 then
    redis.call("HINCRBY", KEYS[5], name, over)
    redis.call("HSET", KEYS[5], name .. ARGV[8], ARGV[9])
  end
end
redis.call("SET", KEYS[1], ARGV[3])
return "sealed"
