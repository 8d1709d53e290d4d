"""Runs that are under way in a version without signatures end rightly in this one, in the two steps of
docs/signatures.md: nothing is lost and nothing doubled, though all services are killed in each step.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog

from contracts.base import Event
from contracts.deployment import DeploymentFinished, DeploymentStarted, DeployRequested
from contracts.envelope import InvalidMessage, from_message
from contracts.recovery import SnapshotCaptured
from contracts.topics import DEPLOYMENT_EVENTS, DEPLOYMENT_REQUESTS, SERVICES, Party
from services._chassis.signatures import Signatures
from services.orchestrator.domain.request_name import RequestName
from surefoot.rehearsal.stage import Stage
from tests.chaos.judge import judge
from tests.chaos.kinds import USUAL
from tests.chaos.observer import Seen
from tests.chaos.report import Report
from tests.chaos.requests import Asked
from tests.compatibility.recorder import ASKED, CLUSTER, SOURCE, request
from tests.compatibility.takeover import Installation, Recording, left_behind, world

RECORDED = Path(__file__).parents[1] / "data" / "recorded" / "takeover" / "unsigned.json.gz"
LONGEST = 1500.0
"""Product seconds after which no run may be under way any more."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("takeover")]


@dataclass(frozen=True, slots=True)
class Run(Asked):
    """A run that was asked for, in the version before or in this one."""

    begun_before: bool = False

    @property
    def id(self) -> str:
        return f"build-{self.number}"

    @property
    def name(self) -> RequestName:
        return RequestName(self.target, SOURCE, self.id)

    @property
    def run_id(self) -> str:
        return self.name.run_id_before if self.begun_before else self.name.run_id


@dataclass
class Taken:
    """What became of it."""

    runs: list[Run] = field(default_factory=list)
    before: Seen = field(default_factory=Seen)
    """What the version before had published."""
    seen: Seen = field(default_factory=Seen)
    report: Report = field(default_factory=lambda: Report(0))
    statuses: dict[str, Any] = field(default_factory=dict)
    """Run's id by the formula of the version before → what the API shows under it."""
    snapshots: list[Any] = field(default_factory=list)
    rollback: dict[str, Any] = field(default_factory=dict)
    """A rollback by hand to a snapshot of the version before."""


def run_of(number: int, event: DeployRequested, behaviour: str, *, before: bool = False) -> Run:
    kind = event.target.service.replace("-", " ")
    kind = kind if kind in {"worker", "daemon", "path rule", "stop before start"} else USUAL
    return Run(number, event.target, behaviour, "", None, kind, begun_before=before)


def seen_on(installation: Installation) -> Seen:
    """Return all that is on the bus, as the judge of chaos wants to have it."""
    seen = Seen()
    for topic, records in installation.bus.topics.items():
        for record in records:
            try:
                envelope = from_message(record.headers, record.value)
            except InvalidMessage:
                seen.bad.add((topic, record.partition, record.offset))
                continue
            key = f"{envelope.meta.source}#{envelope.meta.id}"
            if key not in seen.events:
                seen.add(key, envelope)
            elif isinstance(envelope.event, Event) and envelope.event != seen.events[key].event:
                seen.contradictions.append((seen.events[key], envelope))
    return seen


class TakeOver:
    """The script: messages of before, kills, and the two steps."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.clock = installation.stage.clock
        self.taken = Taken(before=seen_on(installation))
        self._number = len(ASKED)
        self._not_believed = 0
        """The offset of a request that is not signed in the second step."""
        for number, (_, service, image) in enumerate(ASKED):
            self.taken.runs.append(run_of(number, request(service, f"{image}-{number}"), image, before=True))

    async def ask(self, service: str, image: str, *, signed: bool) -> Run:
        number, self._number = self._number, self._number + 1
        event = request(service, image)
        await self.installation.ask(f"build-{number}", event, signed=signed)
        return run_of(number, event, image)

    async def again(self, number: int, *, signed: bool) -> None:
        """Publish a request that the version before has taken again."""
        _, service, image = ASKED[number]
        await self.installation.ask(f"build-{number}", request(service, f"{image}-{number}"), signed=signed)

    async def play(self) -> Taken:
        taken, installation = self.taken, self.installation
        taken.runs.append(await self.ask("late", "healthy", signed=False))  # nobody has read it yet
        for number in range(len(ASKED)):
            await self.again(number, signed=False)
        await installation.become(Signatures.ACCEPTED, seconds=7, again=20)
        await self.clock.sleep(20)
        await installation.kill(*SERVICES)
        await installation.become(Signatures.ACCEPTED, again=20)
        taken.runs.append(await self.ask("path-rule", "healthy", signed=False))
        taken.runs.append(await self.ask("daemon", "healthy", signed=True))
        await self.again(6, signed=True)
        await self.clock.sleep(60)
        await installation.become(Signatures.DEMANDED, seconds=7)
        taken.runs.append(await self.ask("worker", "crash-loop", signed=True))
        self._not_believed = len(installation.bus.topics[DEPLOYMENT_REQUESTS.name])
        await self.ask("watched", "healthy", signed=False)
        await self.again(3, signed=True)
        await self.clock.sleep(30)
        await installation.kill(*SERVICES)
        await installation.become(Signatures.DEMANDED)
        await self._until_all_have_ended()
        await self._look()
        return taken

    async def _until_all_have_ended(self) -> None:
        deadline = self.clock.now() + LONGEST
        wanted, events = {run.run_id for run in self.taken.runs}, self.installation.bus.topics[DEPLOYMENT_EVENTS.name]
        read = 0
        while wanted and self.clock.now() < deadline:
            await self.clock.sleep(10)
            for record in events[read:]:
                event = from_message(record.headers, record.value).event
                wanted -= {event.run_id} if isinstance(event, DeploymentFinished) else set()
            read = len(events)
        await self.clock.sleep(30)

    async def _look(self) -> None:
        taken, stage = self.taken, self.installation.stage
        taken.seen = seen_on(self.installation)
        taken.seen.bad.add((DEPLOYMENT_REQUESTS.name, 0, self._not_believed))
        for run in taken.runs:
            path = f"/deployment-orchestration/status/{CLUSTER}/{run.target.service}"
            answer = await self.installation.http[Party.ORCHESTRATOR].get(
                path, params={"run_id": run.name.run_id_before}
            )
            taken.statuses[run.id] = answer.json()
        recovery = self.installation.http[Party.RECOVERY]
        path = f"/disaster-recovery/{{}}/{CLUSTER}/internal"
        taken.snapshots = (await recovery.get(path.format("snapshots"))).json()["snapshots"]
        oldest = taken.snapshots[-1]["snapshot_id"]
        begun = await recovery.post(path.format("rollback"), json={"snapshot_id": oldest, "actor": "ada"})
        url = begun.json()["url"].removeprefix("/api/v1")
        while (shown := (await recovery.get(url)).json())["state"] == "running":
            await self.clock.sleep(5)
        taken.rollback = shown | {"snapshot_id": oldest}
        calls = [asdict(call) for call in stage.aws.calls.calls(changing=True)]
        by_hand = shown["operation_id"]
        judge(
            taken.report,
            taken.runs,
            taken.seen,
            [call for call in calls if by_hand not in call["user_agent"]],
            harmless=True,
        )


@pytest.fixture(scope="module")
def taken() -> Iterator[Taken]:
    async def play(stage: Stage) -> Taken:
        async with left_behind(stage, Recording.load(RECORDED)) as installation:
            return await TakeOver(installation).play()

    with structlog.testing.capture_logs(), world() as stage:
        yield stage.run(play(stage))


def test_each_run_ends_once_and_rightly_and_each_change_and_rollback_is_made_once(taken: Taken) -> None:
    assert taken.report.faults == []
    assert len(taken.seen.ended) == len(taken.runs)
    assert taken.report.rollbacks_per_run == 1
    assert taken.report.effective_deployments == taken.report.changes_intended == len(taken.runs)


def test_a_request_that_comes_again_begins_no_other_run(taken: Taken) -> None:
    """Requests of before came again in each step, with and without a signature."""
    started = [event.run_id for event in taken.seen.of(DeploymentStarted)]
    assert sorted(started) == sorted(run.run_id for run in taken.runs)


def test_runs_were_under_way_when_the_version_before_was_killed(taken: Taken) -> None:
    """In every phase, and some messages were unread, so that what the other tests show means something."""
    assert len(taken.before.ended) == 2
    before = {event.run_id for event in taken.before.of(DeploymentStarted)}
    assert len(before - taken.before.ended.keys()) == 7
    assert [run.run_id not in before for run in taken.runs[: len(ASKED)]].count(True) == 1, "it waits for its turn"


def test_runs_are_found_by_the_ids_that_the_version_before_gave_them_or_would_have_given(taken: Taken) -> None:
    for run in taken.runs:
        shown = taken.statuses[run.id]
        assert (shown["run_id"], shown["status"]) == (run.run_id, "finished")


def test_snapshots_of_before_are_adopted_and_can_be_rolled_back_to(taken: Taken) -> None:
    assert all(snapshot["proof"] == "index" for snapshot in taken.snapshots)
    assert taken.rollback["snapshot_id"] in {event.snapshot_id for event in taken.before.of(SnapshotCaptured)}
    assert (taken.rollback["state"], taken.rollback["result"]) == ("finished", "restored")


def test_dead_letters_of_before_are_kept_and_only_what_is_not_signed_in_the_second_step_is_untrusted(
    taken: Taken,
) -> None:
    reasons = [letter.reason for letter in taken.seen.letters]
    assert taken.seen.letters[: len(taken.before.letters)] == taken.before.letters
    assert reasons == ["invalid", "invalid", "untrusted"]
    assert taken.seen.letters[-1].topic == DEPLOYMENT_REQUESTS.name
