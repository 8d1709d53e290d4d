#!lua flags=allow-oom
-- Claim a job that is due: false when it is not, else fence, attempt, kind, payload, command, checkpoint, the time of
-- the claim and the one since which the job has waited for a newer version, in milliseconds of the epoch, and 1 where
-- Redis is the one that the job was inserted into, started anew neither since nor from an older copy.
--
-- KEYS  1 jobs, by when they are due  2 the last fence  3 the job
-- ARGV  1 its id  2 milliseconds of the lease  3 this call, by which it knows its own repetition
local score = redis.call("ZSCORE", KEYS[1], ARGV[1])
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not score then return false end
local run = string.match(redis.call("INFO", "server"), "run_id:(%w+)")
local same = redis.call("HGET", KEYS[3], "redis") == run and 1 or 0
if redis.call("HGET", KEYS[3], "claim") == ARGV[3] then
  local mine = redis.call("HMGET", KEYS[3], "fence", "attempt", "kind", "payload", "command", "saved")
  return {tonumber(mine[1]), tonumber(mine[2]), mine[3], mine[4], mine[5], mine[6], now, false, same}
end
if tonumber(score) > now then return false end
-- from the time, so that a Redis that was restored from an older copy gives none twice
local fence = string.format("%.0f", math.max(time[1] * 1000000 + time[2], (redis.call("GET", KEYS[2]) or 0) + 1))
redis.call("SET", KEYS[2], fence)
redis.call("ZADD", KEYS[1], now + ARGV[2], ARGV[1])
redis.call("HSET", KEYS[3], "state", "running", "fence", fence, "claim", ARGV[3])
local attempt = redis.call("HINCRBY", KEYS[3], "attempt", 1)
local job = redis.call("HMGET", KEYS[3], "kind", "payload", "command", "saved", "waits_since")
-- whoever gives it back unread keeps it: a replica that could read it begins the wait anew
redis.call("HDEL", KEYS[3], "waits_since")
return {tonumber(fence), attempt, job[1], job[2], job[3], job[4], now, job[5], same}
