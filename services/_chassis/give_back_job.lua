#!lua flags=allow-oom
-- Give a job back, to be claimed later: "given back", or "lost" to another claim.
--
-- KEYS  1 jobs, by when they are due  2 the job
-- ARGV  1 its id  2 the fence  3 milliseconds until it is due  4 "1": the attempt does not count
--       5 milliseconds of the epoch since which it waits for a newer version ("" it does not)
if redis.call("HGET", KEYS[2], "fence") ~= ARGV[2] or redis.call("HGET", KEYS[2], "state") ~= "running" then
  return "lost"
end
-- the answer to the first of two such calls was lost
if redis.call("HGET", KEYS[2], "given_back") == ARGV[2] then return "given back" end
redis.call("HSET", KEYS[2], "given_back", ARGV[2])
local time = redis.call("TIME")
redis.call("ZADD", KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3], ARGV[1])
if ARGV[4] == "1" then redis.call("HINCRBY", KEYS[2], "attempt", -1) end
if ARGV[5] ~= "" then redis.call("HSET", KEYS[2], "waits_since", ARGV[5]) end
return "given back"
