#!lua flags=allow-oom
-- Execute one command although Redis is full: what it writes is small, and lets something end.
--
-- KEYS  1 the command's key
-- ARGV  1 the command  2… what comes after its key
return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))
