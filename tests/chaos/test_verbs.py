"""A campaign in which something was never done has proven nothing about it: that is told, and it is done."""

from dataclasses import replace

import pytest

from contracts.base import Event
from contracts.deployment import Cause, Outcome
from contracts.envelope import Envelope, Meta
from contracts.run_verbs import Verb
from tests.chaos.judge_verbs import judge_exercised
from tests.chaos.repeats import PERSONS, Repeats
from tests.chaos.report import Report
from tests.chaos.requests import requests, visits
from tests.chaos.test_judge import APPROVED, ASKED, REJECTED, finished, seen
from tests.chaos.test_judge_holds import HELD, RELEASED, STOPPED
from tests.chaos.test_judge_recovery import MADE, MIGRATES, NOW, RAISED, TRIED
from tests.chaos.verbs import ABORT, HOLD, SUPERSEDE, Encores, exercised

PAUSED, RESUMED = (APPROVED.model_copy(update={"verb": verb}) for verb in (Verb.PAUSE, Verb.RESUME))
SUPERSEDED = finished(Outcome.ROLLED_BACK).model_copy(update={"cause": Cause.SUPERSEDED, "run_id": "older"})
HELD_AGAIN = replace(ASKED, number=5000, repeats="held")
ASKED_FOR = [replace(ASKED, abort_after=1.0), HELD_AGAIN]
ALL: tuple[Event, ...] = (
    finished(Outcome.ABORTED),
    STOPPED.model_copy(update={"run_id": HELD_AGAIN.run_id}),
    PAUSED,
    RESUMED,
    APPROVED,
    REJECTED,
    SUPERSEDED,
    HELD,
    RELEASED,
    MIGRATES,
    MIGRATES.model_copy(update={"run_id": None}),
    RAISED,
    TRIED,
    TRIED.model_copy(update={"plan": "scaling"}),
    MADE,
)
"""Whatever can be done, once."""


def test_what_was_never_done_is_told_and_nothing_else_is() -> None:
    report = Report(1)
    judge_exercised(report, ASKED_FOR, seen(*ALL))
    assert report.held, report.faults
    for number in range(len(ALL)):
        report = Report(1)
        events = (*ALL[:number], *ALL[number + 1 :])
        judge_exercised(report, ASKED_FOR, seen(*events))
        assert report.faults, ALL[number]
    assert set(report.verbs.values()) == {0, 1}


def test_encores_do_what_is_missing_and_are_given_up() -> None:
    encores, done = Encores(seed=1, most=2), dict.fromkeys(exercised([], seen()), 1)
    assert encores.missing(done) == []
    older, newer, crashing = encores.missing({**done, HOLD: 0, SUPERSEDE: 0})
    assert (older.superseded, newer.supersedes_after is not None) == (True, True)
    assert (older.target, crashing.right) == (newer.target, Outcome.ROLLED_BACK)
    assert len({older.run_id, newer.run_id, crashing.run_id}) == 3
    assert [run.behaviour for run in encores.missing({**done, HOLD: 0})] == ["crash-loop"]
    assert encores.missing({**done, HOLD: 0}) == [], "it was tried often enough"
    assert [run.abort_after is not None for run in encores.missing({**done, ABORT: 0})] == [True]


def test_a_version_is_asked_for_while_it_is_held_and_once_it_is_released() -> None:
    asked: list[str] = []
    found = seen(HELD)
    repeats = Repeats(found, lambda hold, person: asked.append(f"{hold.hold_id} {person}"))
    superseding = replace(ASKED, number=8, supersedes_after=1.0)
    assert repeats.next([ASKED], [superseding]) is None, "it would be aborted"
    held = repeats.next([replace(ASKED, abort_after=1.0)], [])
    assert held is not None
    assert (held.repeats, held.tag, held.abort_after) == ("held", ASKED.tag, None)
    assert held.run_id != ASKED.run_id
    assert repeats.next([], []) is None
    assert repeats.busy
    found.ended[held.run_id] = finished(Outcome.BLOCKED)
    again = repeats.next([], [])
    assert again is not None
    assert (again.repeats, again.run_id != held.run_id) == ("held", True), "harm has blocked it before its hold did"
    found.ended[again.run_id] = STOPPED
    assert repeats.next([], []) is None
    assert asked == [f"{HELD.hold_id} {person}" for person in PERSONS]
    found.add("answer", Envelope(Meta("answer", "s", NOW), RELEASED.model_copy(update={"reason": HELD.hold_id})))
    released = repeats.next([], [])
    assert released is not None
    assert released.repeats == "released"
    assert not repeats.busy
    assert repeats.next([ASKED], []) is None, "each version once"


def test_who_is_told_that_nothing_is_held_does_not_ask_for_ever() -> None:
    found = seen(HELD)
    repeats = Repeats(found, lambda *_: None)
    held = repeats.next([ASKED], [])
    assert held is not None
    found.ended[held.run_id] = STOPPED
    for number, _ in enumerate(PERSONS):
        assert repeats.next([], []) is None
        refused = RELEASED.model_copy(update={"reason": HELD.hold_id, "released": (), "accepted": False})
        found.add(str(number + 9), Envelope(Meta(str(number + 9), "s", NOW), refused))
    assert repeats.next([], []) is None
    assert not repeats.busy


@pytest.mark.parametrize("seed", range(20))
def test_some_run_is_aborted_and_some_takes_the_place_of_another(seed: int) -> None:
    asked = requests(seed, 10, 8)
    assert any(request.abort_after is not None for request in asked)
    assert any(request.supersedes_after is not None for request in asked)
    assert not any(request.migrates for request in asked if request.kind == "daemon")
    assert visits(seed, 10, 8)
    assert {visit.number for visit in visits(seed, 30, 8)}.isdisjoint(range(30))
