#!lua flags=allow-oom
-- Take the place of one read in a bucket that all services and replicas share. Returns the microseconds after which the
-- read may be sent, "0" for at once, or "spent": it would have to wait too long, and no place was taken.
--
-- The bucket is kept as the time at which it will be full again (the generic cell rate algorithm, ATM Forum TM 4.0):
-- reads that wait have their places in it, in the order in which they came.
--
-- It does not know its own repetition: where an answer is lost and it is sent again, the read takes two places, which
-- come back, or is told that it would wait too long where it had the last place.
--
-- KEYS  1 the bucket
-- ARGV  1 microseconds in which one read comes back  2 reads in a full bucket  3 those of them that a read must leave
--       4 the longest wait, in microseconds  5 "1": this read leaves none and waits for nothing, and still counts
--       6 the longest wait that any read may have, in microseconds
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]
-- no further: what a clock that was set back has left behind, or many rollbacks, would stop the others for long
local latest = now + ARGV[1] * ARGV[2] + ARGV[6]
local full = math.min(math.max(tonumber(redis.call("GET", KEYS[1]) or 0), now), latest)
local wait = 0
if ARGV[5] ~= "1" then
  wait = math.max(0, full - now - ARGV[1] * (ARGV[2] - ARGV[3] - 1))
  if wait > tonumber(ARGV[4]) then return "spent" end
end
full = math.min(full + ARGV[1], latest)
redis.call("SET", KEYS[1], string.format("%.0f", full), "EX", math.ceil((full - now) / 1000000) + 1)
return string.format("%.0f", wait)
