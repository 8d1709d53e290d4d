"""Refusals wait in memory for Redis: within a bound, recorded once, and at the end of the process too."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import OutOfMemoryError

from contracts.audit import Act, Who
from contracts.topics import Party
from services._chassis.access.decision_log import MOST_REFUSALS
from services._chassis.audit.recorder import MOST_REASONS, MOST_WAITING, Recorder
from services._chassis.readiness import Readiness
from tests.kit import FakeClock, memory_store
from tests.security.test_audit_recorded import recorded
from tests.security.test_fuzz import NOW


async def test_a_flood_of_refusals_is_counted_within_a_bound() -> None:
    time = [0.0]
    store = memory_store(Party.RECOVERY, FakeClock(NOW))
    recorder = Recorder(lambda: time[0])
    recorder.begin(store, lambda: datetime.fromtimestamp(NOW, UTC), Readiness())
    for number in range(2_000):
        recorder.refused(Who(proof="none"), "POST /x", f"reason {number % 50}", f"10.0.{number % 256}.1")
        recorder.refused_message("the key is not trusted", f"recovery.commands.v1/3/{number}")
        if number % 500 == 0:
            await recorder.flush()
    assert len(recorded(store)) == MOST_REFUSALS
    time[0] = 61
    await recorder.flush()
    *_, requests, messages = recorded(store)
    assert (requests.act, messages.act) == (Act.REQUESTS_REFUSED, Act.MESSAGES_REFUSED)
    assert f"{2_000 - MOST_REFUSALS} more" in requests.why
    assert len(requests.details) == MOST_REASONS + 2
    assert any("other reasons" in detail for detail in requests.details)
    assert messages.details[0] == "2000 times: the key is not trusted"
    assert "the last from recovery.commands.v1/3/1999" in messages.details[-1]
    time[0] = 122
    await recorder.flush()
    assert len(recorded(store)) == MOST_REFUSALS + 2, "where nothing more was refused, nothing is recorded"


async def test_a_redis_that_takes_nothing_costs_bounded_memory_and_is_made_up_for() -> None:
    time, readiness = [0.0], Readiness()
    store = memory_store(Party.RECOVERY, FakeClock(NOW))
    recorder, apply = Recorder(lambda: time[0]), store.apply
    recorder.begin(store, lambda: datetime.fromtimestamp(NOW, UTC), readiness)

    async def full(*_: object, **given: object) -> None:
        assert given["intake"], "it begins something new, and waits"
        raise OutOfMemoryError("OOM")

    store.apply = full  # type: ignore[method-assign,assignment]
    for minute in range(40):
        time[0] = minute * 61.0
        for _ in range(MOST_REFUSALS):
            recorder.refused(Who(proof="none"), "POST /x", "why", "10.0.0.1")
        await recorder.flush()
    assert recorder._unwritten == MOST_WAITING
    (sentence,) = readiness.degraded
    assert "1000 wait, 1341 are counted" in sentence
    store.apply = apply  # type: ignore[method-assign]
    await recorder.flush()
    time[0] += 61
    await recorder.flush()
    entries = recorded(store)
    assert (len(entries), readiness.degraded) == (MOST_WAITING + 1, [])
    assert entries[-1].why.startswith("1341 more")


async def test_refusals_whose_recording_was_not_answered_are_recorded_once() -> None:
    store = memory_store(Party.RECOVERY, FakeClock(NOW))
    recorder, apply = Recorder(), store.apply
    recorder.begin(store, lambda: datetime.fromtimestamp(NOW, UTC), Readiness())

    async def answer_lost(*arguments: Any, **given: Any) -> None:
        await apply(*arguments, **given)
        raise ConnectionError("the answer was lost")

    recorder.refused(Who(proof="none"), "POST /1", "why", "10.0.0.1")
    store.apply = answer_lost  # type: ignore[method-assign,assignment]
    for number in (2, 3):
        await recorder.flush()
        recorder.refused(Who(proof="none"), f"POST /{number}", "why", "10.0.0.1")
    store.apply = apply  # type: ignore[method-assign]
    await recorder.flush()
    assert [entry.details for entry in recorded(store)] == [("POST /1",), ("POST /2",), ("POST /3",)]


async def test_what_was_refused_last_is_recorded_and_a_redis_that_hangs_does_not_hold_up_the_end() -> None:
    store = memory_store(Party.RECOVERY, FakeClock(NOW))
    recorder, apply = Recorder(), store.apply
    recorder.begin(store, lambda: datetime.fromtimestamp(NOW, UTC), Readiness())

    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    recorder.refused(Who(proof="none"), "POST /1", "why", "10.0.0.1")
    recorder.refused_message("the key is not trusted", "recovery.commands.v1/3/1")
    store.apply = hang  # type: ignore[method-assign,assignment]
    await recorder.finish(0.01)
    assert recorded(store) == []
    store.apply = apply  # type: ignore[method-assign]
    await recorder.finish()
    assert {entry.act for entry in recorded(store)} == {Act.REQUEST_REFUSED, Act.MESSAGES_REFUSED}
