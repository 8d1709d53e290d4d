"""Measures recovery and the bare script from a critical alert on Kafka to the rollback's UpdateService at AWS."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis

from benchmarks.account import Account, Call
from benchmarks.bare_rollback import TOPIC
from benchmarks.rounds import quantile
from benchmarks.talk import LONGEST, Talk, talking
from contracts.base import Target, caused_id
from contracts.envelope import Message
from contracts.monitor import CriticalAlert
from contracts.recovery import ApplyChange, Arm, CaptureSnapshot
from contracts.results import SnapshotOutput
from services._chassis.clock import Pace, PacedClock, moment
from services._chassis.redis_keys import FIRST_JOBS
from services._chassis.store import RedisStore
from services.recovery.domain.protection import key_of

WARM_UP = 2
"""Rounds that do not count: clients are built at their first use."""
LOOK_SECONDS = 0.1
"""Real seconds between two reads of AWS's log, so that reading costs little, and the same for both sides."""


@dataclass(frozen=True, slots=True)
class Reaction:
    seconds: float
    """Real seconds from before the alert is sent until AWS has received UpdateService."""
    calls: tuple[str, ...]
    """The operations of the calls to AWS in between."""


@dataclass
class Subject:
    """One service that is changed and rolled back again and again."""

    account: Account
    talk: Talk
    store: RedisStore
    """Recovery's store."""
    target: Target
    changed: str
    """ARN of another healthy version."""
    snapshot_id: str = ""

    async def capture(self, run: str) -> None:
        answer = await self.talk.ask(CaptureSnapshot(target=self.target, run_id=run, purpose="before-change"), run)
        if not isinstance(answer.output, SnapshotOutput):
            raise TypeError(answer.summary)
        self.snapshot_id = answer.output.snapshot_id

    @property
    def snapshot_key(self) -> str:
        return f"snapshots/{self.target}/{self.snapshot_id}.json"

    async def arm(self, run: str) -> None:
        expires = moment(self.talk.clock.now()) + timedelta(hours=2)
        await self.talk.ask(Arm(target=self.target, run_id=run, snapshot_id=self.snapshot_id, expires_at=expires), run)

    async def forget(self) -> None:
        """Let the rollback end at its next check, instead of after minutes: its waiting is not measured."""
        await self.store.redis.delete(self.store.key("state", key_of(self.target)))
        async with asyncio.timeout(LONGEST):
            while await self.store.redis.zcard(self.store.key(FIRST_JOBS)):  # noqa: ASYNC110  Redis does not notify
                await asyncio.sleep(LOOK_SECONDS)

    def change(self, run: str) -> ApplyChange:
        return ApplyChange(target=self.target, run_id=run, task_definition=self.changed)

    def alert(self, run: str) -> Message:
        now = moment(self.talk.clock.now())
        alert = CriticalAlert(
            target=self.target,
            alert_id=caused_id(run, "alert"),
            rule="error_rate",
            state="raised",
            value=0.2,
            comparison=">",
            threshold=0.05,
            samples=100,
            began_at=now,
            detail="benchmark",
        )
        return self.talk.message(alert, caused_id(run, "alert-raised"))


async def nothing() -> None:
    """Do nothing before the alert."""


async def ours(subject: Subject, run: str, before: Callable[[], Awaitable[None]] = nothing) -> Reaction:
    """No job in flight: the change has been answered. ``before`` is called before the alert."""
    await subject.capture(run)
    await subject.arm(run)
    await subject.talk.ask(subject.change(run), run)
    await before()
    found = await reaction(subject, subject.alert(run), by_rollback)
    await subject.forget()
    return found


async def bare(subject: Subject, run: str) -> Reaction:
    del run
    since = subject.talk.clock.now()
    await asyncio.to_thread(subject.account.update, subject.target.service, subject.changed)
    alert = {"service": subject.target.service, "snapshot": subject.snapshot_key, "since": since}
    message = Message(TOPIC, str(subject.target).encode(), (), json.dumps(alert).encode())
    return await reaction(subject, message, lambda call: "surefoot/" not in call.agent)


def by_rollback(call: Call) -> bool:
    return "/recovery/rollback/" in call.agent


async def reaction(subject: Subject, alert: Message, by: Callable[[Call], bool]) -> Reaction:
    """Send the alert, and wait until AWS has received UpdateService."""
    account = subject.account
    before = max((call.number for call in await asyncio.to_thread(account.calls)), default=0)
    begun = time.time()
    await subject.talk.send(alert)
    async with asyncio.timeout(LONGEST):
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            calls = [call for call in await asyncio.to_thread(account.calls, before) if by(call)]
            names = [call.operation for call in calls]
            if "UpdateService" in names:
                until = names.index("UpdateService")
                return Reaction(calls[until].at - begun, tuple(names[: until + 1]))


async def subject_of(account: Account, talk: Talk, store: RedisStore, number: int) -> Subject:
    target = account.target(number)
    changed = await asyncio.to_thread(account.changed_version, target.service)
    return Subject(account, talk, store, target, changed)


@dataclass(frozen=True, slots=True)
class Reactions:
    """The reactions of both sides, by turns, in real seconds."""

    ours: tuple[Reaction, ...]
    bare: tuple[Reaction, ...]

    def at(self, share: float) -> tuple[float, float]:
        """Return our and the bare script's seconds at a quantile."""
        mine, theirs = (quantile([reaction.seconds for reaction in some], share) for some in (self.ours, self.bare))
        return mine, theirs

    def ratio(self, share: float) -> float:
        mine, theirs = self.at(share)
        return mine / theirs

    def __str__(self) -> str:
        lines = []
        for share in (0.5, 0.99):
            mine, theirs = self.at(share)
            what = f"alert → UpdateService, p{share * 100:.0f} of {len(self.ours)}"
            lines.append(f"{what:<44} {mine * 1000:>7.0f} ms {theirs * 1000:>7.0f} ms   {self.ratio(share):.2f}")
        same = {tuple(sorted(reaction.calls)) for reaction in (*self.ours, *self.bare)}  # some are made at a time
        lines.append(f"  the same calls: {' '.join(next(iter(same)))}" if len(same) == 1 else f"  CALLS DIFFER: {same}")
        return "\n".join(lines)


async def alerted(environment: dict[str, str], *, rounds: int) -> Reactions:
    """Compare, with no job in flight; the service ``recovery`` and the bare script run already."""
    account, clock = Account(environment), PacedClock(Pace.parse(environment["SUREFOOT_CLOCK"]))
    async with (
        talking(environment["KAFKA_BOOTSTRAP_SERVERS"], clock) as talk,
        Redis.from_url(environment["REDIS_URL"]) as redis,
    ):
        store = RedisStore(redis, "recovery", clock)
        mine, theirs = await subject_of(account, talk, store, 1), await subject_of(account, talk, store, 2)
        await theirs.capture("bare")
        found: dict[Any, list[Reaction]] = {ours: [], bare: []}
        for number in range(WARM_UP + rounds):
            for side, subject in ((ours, mine), (bare, theirs)):
                found[side].append(await side(subject, f"run-{number}"))
    return Reactions(tuple(found[ours][WARM_UP:]), tuple(found[bare][WARM_UP:]))
