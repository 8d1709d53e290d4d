"""The orchestrator believes its own word after a restoration of Redis, and at no other time, whoever has signed it."""

import re
from typing import Any

import pytest

from contracts.base import Event
from contracts.dead_letter import DeadLettered
from contracts.deployment import DeploymentFinished, DeploymentStarted, Outcome, Phase, PhaseProgressed, PhaseStarted
from contracts.gates import Verdict
from contracts.recovery import RollbackFinished, RollbackStarted, TargetDisarmed
from contracts.results import DisarmOutput, StepFinished
from contracts.topics import Party
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.view import RunView, run_key
from tests.security.orchestrated import KEYS, Orchestrator
from tests.services.orchestrator.harness import IMAGE, SNAPSHOT, START, TARGET, asked, at, run_id_of

RUN = run_id_of("1")
ABOUT = {"target": TARGET, "run_id": RUN}
OWN = (
    DeploymentStarted(**ABOUT, actor="eve", change=IMAGE),
    PhaseStarted(**ABOUT, phase=Phase.DEPLOYMENT_MONITORING, deadline=at(START + 600)),
    PhaseProgressed(**ABOUT, phase=Phase.DEPLOYMENT_MONITORING, step="arm", message="Armed.", verdict=Verdict.PASS),
    *(DeploymentFinished(**ABOUT, outcome=outcome, reason="All is well.", seconds=1) for outcome in Outcome),
)


@pytest.fixture
def orchestrator() -> Orchestrator:
    return Orchestrator()


def kept(orchestrator: Orchestrator) -> dict[bytes, Any]:
    """Return all that Redis holds but marks of what was read, and of the scripts that read it."""
    held: dict[bytes, Any] = orchestrator.store.redis._held
    return {key: repr(value) for key, value in held.items() if not re.search(rb":(inbox|call):", key)}


async def running(orchestrator: Orchestrator) -> Run:
    run = (await orchestrator.course()).active
    assert run is not None
    return run


@pytest.mark.parametrize("event", OWN, ids=lambda event: f"{type(event).__name__}-{getattr(event, 'outcome', '')}")
async def test_its_own_event_changes_nothing(orchestrator: Orchestrator, event: Event) -> None:
    """With its own key: before the request, in the middle of the run, and under an id that nobody has used."""
    before = kept(orchestrator)
    await orchestrator.takes(event, id_="early", by=Party.ORCHESTRATOR)
    assert kept(orchestrator) == before
    await orchestrator.takes(asked(), "ci", "1")
    before = kept(orchestrator)
    await orchestrator.takes(event, id_="in the middle", by=Party.ORCHESTRATOR)
    assert kept(orchestrator) == before
    assert (await running(orchestrator)).run_id == RUN


@pytest.mark.parametrize("event", OWN[-len(Outcome) :], ids=lambda event: event.outcome)
async def test_after_a_restoration_it_is_believed(orchestrator: Orchestrator, event: DeploymentFinished) -> None:
    orchestrator.progress.after_a_restoration = True
    await orchestrator.takes(asked(), "ci", "1")
    await orchestrator.takes(event, id_="again", by=Party.ORCHESTRATOR)
    assert (await orchestrator.course()).active is None
    view = RunView.model_validate_json(await orchestrator.store.record(run_key(RUN)) or b"")
    assert view.outcome is event.outcome


@pytest.mark.parametrize("party", [party for party in KEYS.signers if party is not Party.ORCHESTRATOR])
async def test_nobody_else_speaks_for_it_not_even_then(orchestrator: Orchestrator, party: Party) -> None:
    orchestrator.progress.after_a_restoration = True
    await orchestrator.takes(asked(), "ci", "1")
    for number, event in enumerate(OWN):
        for source in ("", "surefoot/orchestrator"):
            await orchestrator.takes(event, source, f"{number}", by=party)
    assert (await running(orchestrator)).request.past_checks is False
    letters = orchestrator.events(DeadLettered)
    assert {letter.reason for letter in letters} == {"untrusted"}
    assert len(letters) == 2 * len(OWN)


def _finished(step: str, command: str, **more: Any) -> StepFinished:
    fields = {"step": step, "command_id": command, "verdict": Verdict.PASS, "summary": "Done.", **more}
    return StepFinished(**ABOUT, **fields)


ROLLBACK = {"trigger": "me", "by": "surefoot", "snapshot_id": SNAPSHOT, "seconds": 1}
STRANGERS = [
    (Party.MONITOR, RollbackFinished(**ABOUT, rollback_id="r", result="restored", rollback=ROLLBACK, detail="Back.")),
    (Party.MONITOR, RollbackStarted(**ABOUT, rollback_id="r", trigger="me", snapshot_id=SNAPSHOT)),
    (Party.HEALTH, TargetDisarmed(**ABOUT, reason="finished")),
    (Party.OPTIMIZER, _finished("run-preflight", "pre_deployment_validation:run-preflight:1")),
    (Party.MONITOR, _finished("disarm", "baking:disarm:1", output=DisarmOutput(answer="disarmed"))),
    # the right name for its own key, and another service's command: nobody waits for that answer
    (Party.OPTIMIZER, _finished("analyze-resources", "pre_deployment_validation:run-preflight:1")),
    (Party.RECOVERY, _finished("arm", "pre_deployment_validation:run-preflight:1")),
]


@pytest.mark.parametrize(("party", "event"), STRANGERS)
async def test_no_service_answers_or_ends_for_another(orchestrator: Orchestrator, party: Party, event: Any) -> None:
    await orchestrator.takes(asked(), "ci", "1")
    before = await running(orchestrator)
    if isinstance(event, StepFinished):
        event = event.model_copy(update={"command_id": before.id_of(event.command_id)})
    for source in ("", "surefoot/recovery"):
        await orchestrator.takes(event, source, by=party)
    assert await running(orchestrator) == before
    assert orchestrator.events(DeploymentFinished) == []
