"""Redis is restored from an older copy: the published end of a run stays its only end, and nothing stays armed."""

from collections import defaultdict

import hypothesis.strategies as st
import pytest
from hypothesis import given

from contracts.base import caused_id
from contracts.deployment import (
    AbortRequested,
    DeploymentConfig,
    DeploymentFinished,
    DeployRequested,
    ImageChange,
    Outcome,
    Override,
    run_id_of,
)
from contracts.envelope import Headers, from_message
from contracts.gates import Verdict
from contracts.migration import SCHEMA_KNOWN, MigrationStarted
from contracts.migration_asked import MigrationAsked
from contracts.recovery import RollbackFinished, RollbackStarted, TargetArmed, TargetDisarmed
from contracts.run_verbs import ApprovalDecided, PauseRequested, ResumeRequested, RunHeld
from contracts.topics import DEPLOYMENT_EVENTS, RECOVERY_EVENTS
from services.orchestrator.domain.view import RunView, run_key
from services.recovery.domain.protection import Protection, key_of
from tests.properties.profiles import PROFILE
from tests.properties.world import TARGET, World, finished

SHORT = DeploymentConfig(deployment_timeout_minutes=2, validation_timeout_minutes=2, baking_minutes=2)
IDS = ("a", "b", "c")
LOOKED = (Override(gate=SCHEMA_KNOWN, reason="somebody has looked"),)
happenings = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(IDS)),
    st.tuples(st.just("migrate"), st.sampled_from(IDS)),
    st.tuples(st.just("abort"), st.sampled_from(IDS)),
    st.tuples(st.just("flow"), st.integers(1, 8)),
    st.tuples(st.just("flow"), st.integers(1, 8)),
    st.tuples(st.sampled_from(["pause", "resume", "approve"]), st.sampled_from(IDS)),
    st.tuples(st.just("fail"), st.just(0)),
    st.tuples(st.just("unknown"), st.just(0)),
    st.tuples(st.just("alert"), st.just(0)),
    st.tuples(st.just("time"), st.sampled_from([31.0, 61.0, 130.0, 600.0])),
)
courses = st.lists(happenings, max_size=12)
Happening = tuple[str, object]


class Lenient:
    """A ledger that lets events be published again after a restoration; their contents are compared in the end."""

    def note(self, id_: str, headers: Headers, value: bytes) -> None:
        pass


def run_of(id_: str) -> str:
    return run_id_of(TARGET, "ci", id_)


def _ask(world: World, id_: str, *, migrates: bool) -> None:
    event = DeployRequested(target=TARGET, change=ImageChange(reference="shop/web:2"), actor="a", config=SHORT)
    if migrates:
        event = event.model_copy(update={"migration": MigrationAsked(compatible=True), "overrides": LOOKED})
    world.publish_outside(event, id_, "ci")


def _approve(world: World, run_id: str) -> None:
    """Approve what the run was held for last, as far as that was published."""
    records = world.topics[DEPLOYMENT_EVENTS.name]
    events = (from_message(record.headers, record.value).event for record in records)
    held = [event for event in events if isinstance(event, RunHeld) and event.run_id == run_id and event.plan]
    for event in held[-1:]:
        decided = ApprovalDecided(target=TARGET, run_id=run_id, plan=event.plan, decision="approve", actor="bob")
        world.publish_outside(decided)


def _pause(world: World, run_id: str) -> None:
    world.publish_outside(PauseRequested(target=TARGET, run_id=run_id, actor="bob", minutes=2))


def _resume(world: World, run_id: str) -> None:
    world.publish_outside(ResumeRequested(target=TARGET, run_id=run_id, actor="bob"))


def _abort(world: World, run_id: str) -> None:
    world.publish_outside(AbortRequested(target=TARGET, run_id=run_id, actor="bob"))


ACTS = {"abort": _abort, "pause": _pause, "resume": _resume, "approve": _approve}


def happen(world: World, what: str, how: object) -> None:
    if what in ACTS:
        ACTS[what](world, run_of(str(how)))
        return
    match what:
        case "ask" | "migrate":
            _ask(world, str(how), migrates=what == "migrate")
        case "flow":
            for _ in range(int(str(how))):
                world.flow()
        case "fail":
            world.flow(Verdict.FAIL)
        case "unknown":
            world.flow(Verdict.INCONCLUSIVE)
        case "alert":
            world.alert(f"{world.clock.now()}")
        case "time":
            world.clock.time += float(str(how))
            for timer in world.due(world.orchestrator):
                world.go(world.firing(world.orchestrator, timer))


def stays_armed(world: World) -> set[str]:
    """Return the runs that recovery armed for and neither disarmed nor rolled back, by what it published."""
    records = world.topics[RECOVERY_EVENTS.name]
    events = [from_message(record.headers, record.value).event for record in records]
    over = {event.run_id for event in events if isinstance(event, TargetDisarmed | RollbackFinished)}
    return {event.run_id for event in events if isinstance(event, TargetArmed)} - over


def rolled_back(world: World) -> set[str | None]:
    """Return the runs of which recovery published that it rolls them back."""
    records = world.topics[RECOVERY_EVENTS.name]
    events = [from_message(record.headers, record.value).event for record in records]
    return {event.run_id for event in events if isinstance(event, RollbackStarted | RollbackFinished)}


def migrated(world: World) -> dict[str, set[str]]:
    """Return the migrations of each run, as recovery published that it starts them."""
    found: dict[str, set[str]] = defaultdict(set)
    for record in world.topics[RECOVERY_EVENTS.name]:
        event = from_message(record.headers, record.value).event
        if isinstance(event, MigrationStarted):
            found[str(event.run_id)].add(event.migration_id)
    return found


def ends(world: World) -> dict[str, list[DeploymentFinished]]:
    found: dict[str, list[DeploymentFinished]] = defaultdict(list)
    for record in world.topics[DEPLOYMENT_EVENTS.name]:
        event = from_message(record.headers, record.value).event
        if isinstance(event, DeploymentFinished):
            found[event.run_id].append(event)
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
@PROFILE
@given(
    before=courses,
    lost=courses,
    after=courses,
    backwards=st.booleans(),
    approvals=st.booleans(),
    first=st.sampled_from(["ask", "migrate"]),
)
def test_each_run_keeps_its_end(
    before: list[Happening], lost: list[Happening], after: list[Happening], backwards: bool, approvals: bool, first: str
) -> None:
    world = World()
    world.want_approvals(int(approvals), 0)
    world.ledger = Lenient()  # type: ignore[assignment]
    happen(world, first, "a")
    for event in before:
        happen(world, *event)
    copy = world.copy()
    for event in lost:
        happen(world, *event)
    world.restore(copy, backwards=backwards)
    for event in after:
        happen(world, *event)
    world.come_to_rest()
    published = ends(world)
    assert run_of("a") in published
    for run_id, found in published.items():
        assert len({(end.outcome, end.reason) for end in found}) == 1, f"two ends: {found}"
        record = finished(world.orchestrator.store.record(run_key(run_id)))
        assert RunView.model_validate_json(record).outcome == found[0].outcome
    # such a run ends with a call for people: recovery has refused to act for what it does not know any more
    known_lost = {run_id for run_id, found in published.items() if found[0].outcome is Outcome.ROLLBACK_FAILED}
    assert stays_armed(world) <= known_lost
    succeeded = {run_id for run_id, found in published.items() if found[0].outcome is Outcome.SUCCEEDED}
    assert not succeeded & rolled_back(world), "it succeeded, and was rolled back"
    migrations = migrated(world)
    assert {len(ids) for ids in migrations.values()} <= {1}, "a run migrates twice"
    tokens = {caused_id(id_, "task") for ids in migrations.values() for id_ in ids}
    assert world.tasks.started.keys() <= tokens, "a task was started that nobody was told of"
    protection = Protection.from_bytes(finished(world.recovery.store.load(key_of(TARGET))))
    assert protection.migration is None, "a migration never ends"
