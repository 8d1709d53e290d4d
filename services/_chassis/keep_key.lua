#!lua flags=allow-oom
-- An API key is kept or forgotten, and that is recorded, in one step: a key can be revoked although Redis is full.
-- The last key is not forgotten (0): it shows that keys are in use, and who forgets two at once leaves one.
--
-- KEYS  1 the keys  2 when they were used  3 what is to be recorded
-- ARGV  1 id of the key  2 its record ("" forget it)  3 what the audit records of it
if ARGV[2] == "" then
  if redis.call("HLEN", KEYS[1]) == 1 and redis.call("HGET", KEYS[1], ARGV[1]) then
    return 0
  end
  redis.call("HDEL", KEYS[1], ARGV[1])
  redis.call("HDEL", KEYS[2], ARGV[1])
else
  redis.call("HSET", KEYS[1], ARGV[1], ARGV[2])
end
redis.call("XADD", KEYS[3], "MAXLEN", "10000", "*", "entry", ARGV[3])
return 1
