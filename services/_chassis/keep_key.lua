#!lua flags=allow-oom
-- An API key is kept or forgotten, and that is recorded, in one step: a key can be revoked although Redis is full.
--
-- KEYS  1 the keys  2 when they were used  3 what is to be recorded
-- ARGV  1 id of the key  2 its record ("" forget it)  3 what the audit records of it
if ARGV[2] == "" then
  redis.call("HDEL", KEYS[1], ARGV[1])
  redis.call("HDEL", KEYS[2], ARGV[1])
else
  redis.call("HSET", KEYS[1], ARGV[1], ARGV[2])
end
redis.call("XADD", KEYS[3], "MAXLEN", "10000", "*", "entry", ARGV[3])
