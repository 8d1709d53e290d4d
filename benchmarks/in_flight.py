"""Measures rollbacks with a change in flight, whose UpdateService lands late, so that the rollback comes after it."""

import asyncio
from dataclasses import dataclass

from redis.asyncio import Redis

from benchmarks.account import Account
from benchmarks.alerted import LOOK_SECONDS, Subject, by_rollback, reaction, subject_of
from benchmarks.talk import LONGEST, talking
from contracts.base import caused_id
from services._chassis.clock import Pace, PacedClock
from services._chassis.settings import Settings
from services._chassis.store import RedisStore

DELAYS = (1.0, 3.0, 6.0, 9.0)
"""Real seconds after which AWS lets each service's change take effect; the last just before its caller gives up."""


@dataclass(frozen=True, slots=True)
class Late:
    delays: tuple[float, ...]
    seconds: tuple[float, ...]
    """Real seconds from before the alert is sent until AWS has received the rollback's UpdateService."""
    bound: float
    """Seconds of lease and of a call's time-out together."""

    @property
    def holds(self) -> bool:
        return max(self.seconds) <= self.bound

    def __str__(self) -> str:
        each = ", ".join(
            f"{seconds:.1f} s ({delay:g} s)" for delay, seconds in zip(self.delays, self.seconds, strict=True)
        )
        return (
            f"alert → UpdateService while the change is in flight, by how late that lands: {each}\n"
            f"  bound {self.bound:g} s: {'holds' if self.holds else 'DOES NOT HOLD'}"
        )


async def in_flight(environment: dict[str, str]) -> Late:
    """Let each service's change land late; recovery runs already, with its own defaults."""
    account, clock = Account(environment), PacedClock(Pace.parse(environment["SUREFOOT_CLOCK"]))
    async with (
        talking(environment["KAFKA_BOOTSTRAP_SERVERS"], clock) as talk,
        Redis.from_url(environment["REDIS_URL"]) as redis,
    ):
        store = RedisStore(redis, "recovery", clock)
        # the first service's name is a part of all the others'
        subjects = [await subject_of(account, talk, store, number) for number in range(2, 2 + len(DELAYS))]
        found = await asyncio.gather(*(_late(subject, delay) for subject, delay in zip(subjects, DELAYS, strict=True)))
    settings = Settings()
    return Late(DELAYS, tuple(found), settings.job_lease + settings.aws_answer_timeout)


async def _late(subject: Subject, delay: float) -> float:
    run = f"late-{subject.target.service}"
    await subject.capture(run)
    await subject.arm(run)
    rule = {
        "kind": "slow",
        "operation": "UpdateService",
        "agent": "/apply-change/",
        "resource": subject.target.service,
        "delay": delay,
        "calls": 1,
    }
    await asyncio.to_thread(subject.account.control, "POST", "harm", rule)
    change = subject.change(run)
    await subject.talk.send(subject.talk.message(change, caused_id(run, "change"), run))
    async with asyncio.timeout(LONGEST):
        while await asyncio.to_thread(_waits, subject):  # noqa: ASYNC110  AWS does not notify
            await asyncio.sleep(LOOK_SECONDS)
    found = await reaction(
        subject, subject.alert(run), lambda call: by_rollback(call) and call.resource.endswith(subject.target.service)
    )
    return found.seconds


def _waits(subject: Subject) -> bool:
    """Return whether the rule for this service has not met its call yet; a used-up rule is not listed any more."""
    rules = subject.account.control("GET", "harm")
    return any(rule["resource"] == subject.target.service and not rule["done"] for rule in rules)
