#!lua flags=allow-oom
-- Keep a job, and its checkpoint where there is one: "held", "cancelled", or "lost" to another claim.
--
-- KEYS  1 jobs, by when they are due  2 the job
-- ARGV  1 its id  2 the fence  3 milliseconds of the lease  4 "1": keep the checkpoint  5 the checkpoint
if redis.call("HGET", KEYS[2], "fence") ~= ARGV[2] or redis.call("HGET", KEYS[2], "state") ~= "running" then
  return "lost"
end
if redis.call("HGET", KEYS[2], "cancelled") then return "cancelled" end
local time = redis.call("TIME")
redis.call("ZADD", KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3], ARGV[1])
if ARGV[4] == "1" then redis.call("HSET", KEYS[2], "saved", ARGV[5]) end
return "held"
