"""Plays one cell under the virtual clock: a whole deployment by Surefoot, with this harm at this time."""

import traceback
from typing import Any

from benchmarks.denials.cells import Cell
from benchmarks.denials.operations import When
from benchmarks.denials.rule import LONGEST, SECRET, Ended
from benchmarks.judge.sight import service_of
from sandbox.aws.call_log import Call
from sandbox.aws.server.in_process import InProcessAws
from sandbox.scenarios.model import Scenario
from surefoot.rehearsal.rehearse import Rehearsal, rehearse
from surefoot.rehearsal.stage import NeverEnds, Stage

CHANGE, ROLLBACK = "surefoot/recovery/apply-change/", "surefoot/recovery/rollback/"
TAG = "new"


def played(cell: Cell, seed: int = 1) -> Ended:
    """Play a cell. A run that does not end, and an error of a service, are ends as well; nothing is raised."""
    seen = _Seen(cell)
    try:
        rehearsal = rehearse(cell.scenario, seed=seed, watch=seen.look, prepare=seen.begin)
    except NeverEnds as error:
        return seen.ended("never", str(error), LONGEST)
    except Exception as error:  # noqa: BLE001  a fault of one cell is that cell's result
        last = traceback.extract_tb(_first(error).__traceback__)[-1]
        return seen.ended("fault", f"{_first(error)!r} ({last.name})", 0.0)
    finished = rehearsal.finished
    return seen.ended(finished.outcome, finished.reason, rehearsal.seconds, rehearsal)


def calls_without_harm(scenario: Scenario) -> dict[str, set[When]]:
    """Play a deployment to which no harm is done; return each operation that Surefoot calls, and when."""
    stages: list[Stage] = []

    async def begin(stage: Stage) -> None:
        stages.append(stage)

    rehearse(scenario, seed=1, prepare=begin)
    found: dict[str, set[When]] = {}
    changed = False
    for call in stages[0].aws.calls.calls():
        if "surefoot" not in call.user_agent:
            continue
        when = When.ROLLBACK if ROLLBACK in call.user_agent else When.AFTER if changed else When.BEFORE
        found.setdefault(f"{call.service}:{call.operation}", set()).add(when)
        changed = changed or _changes(call, CHANGE)
    return found


class _Seen:
    """Does the harm of a cell at its time, and sees what AWS runs."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._stage: Stage | None = None
        self._rule: int | None = None
        self._begun = 0.0
        self._changed = False

    async def begin(self, stage: Stage) -> None:
        self._stage, self._begun = stage, stage.aws.now()
        if self._cell.when is not When.AFTER:
            self._harm(stage)

    def look(self, aws: InProcessAws) -> None:
        """Look once. Raise ``NeverEnds`` where the time of the run is up."""
        if self._stage is None:
            return
        if not self._changed and self._sent(CHANGE):
            self._changed = True
            self._at_the_change(self._stage)
        if aws.now() - self._begun > LONGEST:
            raise NeverEnds(f"the run has not ended within {LONGEST / 60:g} minutes")

    def ended(self, outcome: str, reason: str, seconds: float, rehearsal: Rehearsal | None = None) -> Ended:
        stage = self._stage
        published = "" if rehearsal is None else _published(rehearsal)
        return Ended(
            outcome,
            reason,
            seconds,
            changed=self._sent(CHANGE),
            live=stage is not None and _is_live(stage.aws),
            sent_back=self._sent(ROLLBACK),
            armed=rehearsal is not None and bool(rehearsal.armed),
            told=self._cell.operation.split(":")[-1] in published,
            spilt=SECRET in published or "Traceback" in published,
        )

    def _at_the_change(self, stage: Stage) -> None:
        if self._cell.when is When.AFTER:
            self._harm(stage)
        elif self._cell.when is When.BEFORE and self._rule is not None:
            stage.gateway.fault_rules.end(self._rule)

    def _harm(self, stage: Stage) -> None:
        if (rule := self._cell.rule) is not None:
            self._rule = stage.gateway.fault_rules.add(rule)

    def _sent(self, by: str) -> bool:
        calls = () if self._stage is None else self._stage.aws.calls.calls(changing=True)
        return any(_changes(call, by) for call in calls)


def _changes(call: Call, by: str) -> bool:
    return by in call.user_agent and call.operation == "UpdateService" and "ecs-svc/" in call.effect


def _is_live(aws: InProcessAws) -> bool:
    manifest = aws.world.registry.resolve(f"{aws.world.registry.uri}:{TAG}")
    assert manifest is not None  # noqa: S101  the stage has pushed it
    images = service_of(aws).revision.images
    return any(image is not None and image.digest == manifest.digest for *_, image in images)


def _published(rehearsal: Rehearsal) -> str:
    events: list[Any] = [envelope.event.model_dump_json() for envelope in rehearsal.events]
    return "\n".join([*events, str(rehearsal.run)])


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
