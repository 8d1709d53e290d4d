"""A message makes no other one unheard: not on another topic, about another target, or under names that run on."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import Target, joined
from contracts.envelope import Envelope, Meta
from contracts.recovery import CaptureSnapshot, RollBack, TargetDisarmed
from services._chassis.catch_up import CatchUp
from services._chassis.clock import Pace, PacedClock, moment
from services._chassis.consumer import Consumer
from services._chassis.service import Service
from services._chassis.store import RedisStore
from services._chassis.transition import Transition, decided
from tests.chassis.harness import TARGET
from tests.security.keys import record_of

OTHER = Target(account="123456789012", region="us-west-2", cluster="c", service="other")
CAPTURE = CaptureSnapshot(target=TARGET, run_id="r", purpose="before-change")


async def _handle(*_: object) -> Transition:
    return decided()


@dataclass
class Inbox:
    redis: Any

    def __post_init__(self) -> None:
        self.store = RedisStore(self.redis, "recovery", PacedClock(Pace()))
        service = Service("recovery", handlers=dict.fromkeys((CaptureSnapshot, RollBack, TargetDisarmed), _handle))
        self.consumer = Consumer(service, self.store, CatchUp(self.store))
        self._offset = 0

    async def take(self, event: Any, source: str = "a", id_: str = "1") -> None:
        self._offset += 1
        meta = Meta(id_, source, moment(self.store.clock.now()))
        await self.consumer.consume(record_of(Envelope(meta, event).to_message(), self._offset))


async def marks(inbox: Inbox) -> int:
    return len(await inbox.redis.keys("{recovery}:inbox:*"))


async def test_the_same_message_counts_once(redis: Any) -> None:
    inbox = Inbox(redis)
    await inbox.take(CAPTURE)
    await inbox.take(CAPTURE)
    assert await marks(inbox) == 1


async def test_the_same_id_on_another_topic_or_about_another_target_is_another_message(redis: Any) -> None:
    inbox = Inbox(redis)
    await inbox.take(TargetDisarmed(target=TARGET, run_id="r", reason="finished"))
    await inbox.take(RollBack(target=TARGET, run_id="r", trigger="t"))
    await inbox.take(RollBack(target=OTHER, run_id="r", trigger="t"))
    assert await marks(inbox) == 3


@pytest.mark.parametrize(("one", "other"), [(("a#b", "c"), ("a", "b#c")), (("a:1", "2"), ("a", "1:2"))])
async def test_names_do_not_run_into_each_other(redis: Any, one: tuple[str, str], other: tuple[str, str]) -> None:
    inbox = Inbox(redis)
    await inbox.take(CAPTURE, *one)
    await inbox.take(CAPTURE, *other)
    assert await marks(inbox) == 2


async def test_what_the_version_before_has_handled_is_not_handled_again(redis: Any) -> None:
    inbox = Inbox(redis)
    await redis.set(inbox.store.key("inbox", "a#1"), "1")
    await inbox.take(CAPTURE)
    assert await marks(inbox) == 1
    await inbox.take(CAPTURE, id_="2")
    assert await marks(inbox) == 2


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_joined_parts_are_those_parts_and_no_others(one: list[str], other: list[str]) -> None:
    assert (joined(*one) == joined(*other)) == (one == other)
