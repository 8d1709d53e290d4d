"""Redis is restored from an older copy: what a run was told to have ended with stays its one end."""

from collections import defaultdict

import hypothesis.strategies as st
from hypothesis import given

from contracts.base import caused_id
from contracts.deployment import AbortRequested, DeploymentConfig, DeploymentFinished, DeployRequested, ImageChange
from contracts.envelope import Headers, from_message
from contracts.gates import Verdict
from contracts.topics import DEPLOYMENT_EVENTS
from services.orchestrator.domain.view import RunView, run_key
from tests.properties.profiles import PROFILE
from tests.properties.world import TARGET, World, finished

SHORT = DeploymentConfig(deployment_timeout_minutes=2, validation_timeout_minutes=2, baking_minutes=2)
IDS = ("a", "b", "c")
happenings = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(IDS)),
    st.tuples(st.just("abort"), st.sampled_from(IDS)),
    st.tuples(st.just("flow"), st.integers(1, 8)),
    st.tuples(st.just("flow"), st.integers(1, 8)),
    st.tuples(st.just("fail"), st.just(0)),
    st.tuples(st.just("alert"), st.just(0)),
    st.tuples(st.just("time"), st.sampled_from([31.0, 130.0, 600.0])),
)
courses = st.lists(happenings, max_size=12)


class Lenient:
    """Events may be told again after a restoration; what they may not say is looked at in the end."""

    def note(self, id_: str, headers: Headers, value: bytes) -> None:
        pass


def run_of(id_: str) -> str:
    return caused_id("ci", id_)


def happen(world: World, what: str, how: object) -> None:
    match what:
        case "ask":
            event = DeployRequested(target=TARGET, change=ImageChange(reference="shop/web:2"), actor="a", config=SHORT)
            world.tell(event, str(how), "ci")
        case "abort":
            world.tell(AbortRequested(target=TARGET, run_id=run_of(str(how)), actor="bob"))
        case "flow":
            for _ in range(int(str(how))):
                world.flow()
        case "fail":
            world.flow(Verdict.FAIL)
        case "alert":
            world.alert(f"{world.clock.now()}")
        case "time":
            world.clock.time += float(str(how))
            for timer in world.due(world.orchestrator):
                world.go(world.firing(world.orchestrator, timer))


def ends(world: World) -> dict[str, list[DeploymentFinished]]:
    found: dict[str, list[DeploymentFinished]] = defaultdict(list)
    for record in world.topics[DEPLOYMENT_EVENTS.name]:
        event = from_message(record.headers, record.value).event
        if isinstance(event, DeploymentFinished):
            found[event.run_id].append(event)
    return found


@PROFILE
@given(before=courses, lost=courses, after=courses)
def test_each_run_keeps_its_end(before: list[tuple[str, object]], lost: list, after: list) -> None:  # type: ignore[type-arg]
    world = World()
    world.ledger = Lenient()  # type: ignore[assignment]
    happen(world, "ask", "a")
    for one in before:
        happen(world, *one)
    copy = world.copy()
    for one in lost:
        happen(world, *one)
    world.restore(copy)
    for one in after:
        happen(world, *one)
    world.come_to_rest()
    told = ends(world)
    assert run_of("a") in told
    for run_id, said in told.items():
        assert len({(end.outcome, end.reason) for end in said}) == 1, f"two ends: {said}"
        record = finished(world.orchestrator.store.record(run_key(run_id)))
        assert RunView.model_validate_json(record).outcome == said[0].outcome
