#!lua flags=allow-oom
-- State, inbox, outbox, timers and jobs change together, or not at all. It knows no phase: state is opaque.
--
-- KEYS  1 inbox mark  2 state  3 outbox  4 timers  5 timers' bodies  6 jobs  7 the job that ends
--       8 inbox mark as the version before wrote it  9 jobs that are claimed first
--       10 mark of this call, by which it knows its own repetition
--       11 what the audit is to record
--       12… one for each "put_record", "job", "cancel_job" and "index" operation, in their order
-- ARGV  1 cause ("" none)  2 seconds to remember  3 expected revision ("" no state)  4 "1": write the state, "expires": and
--       forget it after 2
--       5 state  6 fence of the job that ends ("" none)  7 timer that fires ("" none)  8 its due time
--       9 run of Redis that was decided on ("" any)  10… operations: a name, then its arguments
if redis.call("EXISTS", KEYS[10]) == 1 then return "applied" end
local function this_run() return string.match(redis.call("INFO", "server"), "run_id:(%w+)") end
if ARGV[9] ~= "" and this_run() ~= ARGV[9] then return "another run" end
local remember = tonumber(ARGV[2])
if ARGV[1] ~= "" and redis.call("EXISTS", KEYS[1]) + redis.call("EXISTS", KEYS[8]) > 0 then return "seen" end
if ARGV[7] ~= "" then
  local due = redis.call("ZSCORE", KEYS[4], ARGV[7])
  if not due or tonumber(due) ~= tonumber(ARGV[8]) then return "seen" end
end
if ARGV[6] ~= "" and redis.call("HGET", KEYS[7], "fence") ~= ARGV[6] then return "fenced" end
if ARGV[6] ~= "" and redis.call("HGET", KEYS[7], "state") ~= "running" then return "fenced" end
if ARGV[3] ~= "" and (redis.call("HGET", KEYS[2], "revision") or "0") ~= ARGV[3] then return "conflict" end

-- what is left of a job says that it was there: it is not begun again
local function finish(job, id, seconds)
  redis.call("DEL", job)
  redis.call("HSET", job, "state", "done")
  redis.call("EXPIRE", job, seconds)
  redis.call("ZREM", KEYS[6], id)
  redis.call("ZREM", KEYS[9], id)
end

if ARGV[1] ~= "" then redis.call("SET", KEYS[1], "1", "EX", remember) end
if ARGV[4] ~= "" then
  redis.call("HSET", KEYS[2], "revision", ARGV[3] + 1, "data", ARGV[5])
  if ARGV[4] == "expires" then redis.call("EXPIRE", KEYS[2], remember) else redis.call("PERSIST", KEYS[2]) end
end
if ARGV[7] ~= "" then
  redis.call("ZREM", KEYS[4], ARGV[7])
  redis.call("HDEL", KEYS[5], ARGV[7])
end
if ARGV[6] ~= "" then
  -- only a command comes again after days; a watcher's looks, one each minute, would fill the memory in a day
  local asked, id = redis.call("HGET", KEYS[7], "command") ~= "", redis.call("HGET", KEYS[7], "id")
  finish(KEYS[7], id, asked and remember or math.min(remember, 3600))
end

local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local key, i = 12, 10
while i <= #ARGV do
  local operation = ARGV[i]
  if operation == "emit" then
    redis.call("XADD", KEYS[3], "*", "topic", ARGV[i+1], "key", ARGV[i+2], "headers", ARGV[i+3], "value", ARGV[i+4])
    i = i + 5
  elseif operation == "timer" then
    redis.call("ZADD", KEYS[4], ARGV[i+2], ARGV[i+1])
    redis.call("HSET", KEYS[5], ARGV[i+1], ARGV[i+3])
    i = i + 4
  elseif operation == "cancel_timer" then
    redis.call("ZREM", KEYS[4], ARGV[i+1])
    redis.call("HDEL", KEYS[5], ARGV[i+1])
    i = i + 2
  elseif operation == "job" then
    if redis.call("EXISTS", KEYS[key]) == 0 then
      redis.call("HSET", KEYS[key], "id", ARGV[i+1], "kind", ARGV[i+2], "payload", ARGV[i+3], "command", ARGV[i+4],
        "state", "queued", "attempt", 0, "redis", this_run())
      redis.call("ZADD", KEYS[ARGV[i+5] == "first" and 9 or 6], now, ARGV[i+1])
    end
    key, i = key + 1, i + 6
  elseif operation == "cancel_job" then
    local state = redis.call("HGET", KEYS[key], "state")
    if state == "queued" then
      finish(KEYS[key], ARGV[i+1], remember)
    elseif state == "running" then
      redis.call("HSET", KEYS[key], "cancelled", "1")
    end
    key, i = key + 1, i + 2
  elseif operation == "put_record" then
    redis.call("SET", KEYS[key], ARGV[i+1], "EX", ARGV[i+2])
    key, i = key + 1, i + 3
  elseif operation == "index" then
    redis.call("ZADD", KEYS[key], ARGV[i+2], ARGV[i+1])
    redis.call("ZREMRANGEBYRANK", KEYS[key], 0, -1 - ARGV[i+3])
    redis.call("ZREMRANGEBYSCORE", KEYS[key], "-inf", ARGV[i+2] - remember)
    redis.call("EXPIRE", KEYS[key], remember)
    key, i = key + 1, i + 4
  elseif operation == "audit" then
    redis.call("XADD", KEYS[11], "*", "entry", ARGV[i+1])
    i = i + 2
  else
    return redis.error_reply("unknown operation " .. operation)
  end
end
redis.call("SET", KEYS[10], "1", "EX", 60)
return "applied"
