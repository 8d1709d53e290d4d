"""Deployments, and all that a bus, a Redis and executors may do to them: the promises hold whatever happens."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.base import caused_id
from contracts.deployment import (
    AbortRequested,
    Cause,
    DeploymentConfig,
    DeployRequested,
    ImageChange,
    Observe,
    Override,
    run_id_of,
)
from contracts.gates import Verdict
from contracts.migration import SCHEMA_KNOWN, WAY_BACK
from contracts.migration_asked import MigrationAsked
from contracts.run_verbs import ApprovalDecided, PauseRequested, ReleaseRequested, ResumeRequested, RunHeld
from contracts.topics import CRITICAL_ALERTS, PHASE_RESULTS, RECOVERY_COMMANDS, RECOVERY_EVENTS
from services._chassis.clock import moment
from services._chassis.records import Record
from services.orchestrator.domain.course import Course, course_key
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.rollback.roll_back import Done, Ended, Failed, Superseded
from services.recovery.domain.snapshots.known_version import Versions
from tests.properties.answerers import ARN, BEFORE, DEPLOYED
from tests.properties.profiles import PROFILE
from tests.properties.world import ANSWERED_BY_OTHERS, LEASE, TARGET, Member, Step, World, finished

SHORT = DeploymentConfig(deployment_timeout_minutes=2, validation_timeout_minutes=2, baking_minutes=2)
AT_ITS_PACE = DeploymentConfig(validation_timeout_minutes=2, baking_minutes=2)
TOPICS = [topic.name for topic in (RECOVERY_COMMANDS, CRITICAL_ALERTS, PHASE_RESULTS, RECOVERY_EVENTS)]
ids = st.sampled_from(["a", "b", "c"])
FAILS_AFTER = (7, 8, 13)
"""Rounds after which the change is live and is monitored, tested or baked."""
ROUNDS_BACK = 6
"""Until a rollback has ended, and its run."""
numbers = st.integers(0, 99)
migrations = st.sampled_from([None, None, MigrationAsked(compatible=True), MigrationAsked(timeout_minutes=1)])
trips = st.one_of(st.none(), st.none(), st.integers(0, 3))
"""After how many round trips a step is left; None: it runs to its end."""
rollback_ends: st.SearchStrategy[Ended] = st.sampled_from(
    [Done("surefoot", "Live again."), Done("ecs", "By itself."), Superseded("Somebody else."), Failed("It won't.")]
)


def run_of(id_: str) -> str:
    return run_id_of(TARGET, "ci", id_)


class Deployments(RuleBasedStateMachine):
    """One target. Numbers choose among what is there, by their remainder."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.requested: set[str] = set()

    # people and pipelines

    @initialize(
        observes=st.sampled_from([False, False, True]),
        at_its_pace=st.booleans(),
        rounds=st.integers(0, 18),
        wanted=st.sampled_from([(0, 0), (0, 0), (2, 0), (1, 1)]),
        migrates=migrations,
    )
    def first(
        self, observes: bool, at_its_pace: bool, rounds: int, wanted: tuple[int, int], migrates: MigrationAsked | None
    ) -> None:
        """One deployment is under way, perhaps almost over; perhaps persons have to approve it, and have."""
        self.world.want_approvals(*wanted)
        self._request("a", observes=observes, migrates=migrates, config=AT_ITS_PACE if at_its_pace else SHORT)
        self._flow(rounds)

    @initialize(fails_after=st.sampled_from([None, None, None, None, *FAILS_AFTER]))
    def what_is_asked_for_was_taken_back(self, fails_after: int | None) -> None:
        """Perhaps the version was deployed before and has failed, so that it is held by now."""
        if fails_after is None or self.requested:
            return
        self.world.rollback.versions = Versions(DEPLOYED, BEFORE)
        self._request("before", observes=False, migrates=None)
        self._flow(fails_after)
        self.world.flow(Verdict.FAIL)
        self._flow(ROUNDS_BACK)

    @rule(
        id_=ids,
        observes=st.booleans(),
        way=st.sampled_from(["queue", "refuse", "supersede"]),
        recover=st.booleans(),
        at_its_pace=st.booleans(),
        lifetime=st.sampled_from([1.0, 60.0, 86400.0]),
        migrates=migrations,
    )
    def request(
        self,
        id_: str,
        observes: bool,
        way: str,
        recover: bool,
        at_its_pace: bool,
        lifetime: float,
        migrates: MigrationAsked | None,
    ) -> None:
        """Ask, perhaps under an id that was used before, perhaps for something else."""
        self._request(
            id_,
            observes=observes,
            migrates=migrates,
            on_conflict=way,
            config=(AT_ITS_PACE if at_its_pace else SHORT).model_copy(update={"enable_auto_recovery": recover}),
            expires_at=moment(self.world.clock.now() + lifetime),
        )

    def _request(self, id_: str, *, observes: bool, migrates: MigrationAsked | None, **fields: Any) -> None:
        """Ask. Whoever names a migration overrides that there is no way back over one that is not compatible."""
        change = Observe() if observes else ImageChange(reference="shop/web:2")
        if migrates is not None and not observes:
            overrides = tuple(Override(gate=gate, reason="known") for gate in (WAY_BACK, SCHEMA_KNOWN))
            fields |= {"migration": migrates, "overrides": overrides}
        event = DeployRequested(**{"target": TARGET, "change": change, "actor": "ada", "config": SHORT, **fields})
        self.world.publish_outside(event, id_, "ci")
        self.requested.add(run_of(id_))

    @rule(id_=ids)
    def abort(self, id_: str) -> None:
        self._abort(run_of(id_))

    @rule(id_=ids, minutes=st.sampled_from([None, 1.0, 120.0]))
    def pause(self, id_: str, minutes: float | None) -> None:
        event = PauseRequested(target=TARGET, run_id=run_of(id_), actor="bob", minutes=minutes)
        self.world.publish_outside(event)

    @rule(id_=ids)
    def resume(self, id_: str) -> None:
        self.world.publish_outside(ResumeRequested(target=TARGET, run_id=run_of(id_), actor="eve"))

    @rule(actor=st.sampled_from(["ada", "bob", "eve"]), decision=st.sampled_from(["approve", "approve", "reject"]))
    def decide(self, actor: str, decision: Literal["approve", "reject"]) -> None:
        """Decide on what is shown, or was once."""
        for held in list(self.world.ledger.held.values())[-1:]:
            self._decide(held, actor, decision)

    def _decide(self, held: RunHeld, actor: str, decision: Literal["approve", "reject"] = "approve") -> None:
        event = ApprovalDecided(target=TARGET, run_id=held.run_id, plan=held.plan, decision=decision, actor=actor)
        self.world.publish_outside(event)

    @rule(actor=st.sampled_from(["bob", "eve"]))
    def release(self, actor: str) -> None:
        """End whatever is held."""
        self.world.publish_outside(ReleaseRequested(target=TARGET, actor=actor))

    def _abort(self, run_id: str) -> None:
        self.world.publish_outside(AbortRequested(target=TARGET, run_id=run_id, actor="bob"))

    # the bus

    @rule(verdict=st.sampled_from([Verdict.PASS, Verdict.PASS, Verdict.PASS, Verdict.FAIL]))
    def flow(self, verdict: Verdict) -> None:
        """Let everything flow once, without any fault."""
        self.world.flow(verdict)

    @rule(rounds=st.integers(2, 8))
    def flow_on(self, rounds: int) -> None:
        self._flow(rounds)

    def _flow(self, rounds: int) -> None:
        for _ in range(rounds):
            self.world.flow()
            held = self.world.ledger.held.get(self.world.ledger.active or "")
            if held is not None and held.gate is not None:
                self._decide(held, ("bob", "eve")[len(held.given)])

    @rule(orchestrators=st.booleans(), which=numbers, kept=st.booleans())
    def send(self, orchestrators: bool, which: int, kept: bool) -> None:
        """The relay sends an entry of the outbox; it may die before it has noted that."""
        unsent = self.world.unsent["orchestrator" if orchestrators else "recovery"]
        if unsent:
            message = unsent[which % len(unsent)]
            self.world.publish(message)
            if not kept:
                unsent.remove(message)

    @rule(which=numbers, trips=trips)
    def deliver(self, which: int, trips: int | None) -> None:
        """The next message of a partition; held back or not, it comes."""
        heads = [
            (member, topic)
            for member in self.world.members
            for topic in member.topics
            if member.read[topic] < len(self.world.topics[topic])
        ]
        if heads:
            member, topic = heads[which % len(heads)]
            self.world.go(self.world.reading(member, topic, member.read[topic]), trips)

    @rule(offset=numbers)
    def command_again(self, offset: int) -> None:
        member = self.world.recovery
        if read := member.read[RECOVERY_COMMANDS.name]:
            self.world.go(self.world.reading(member, RECOVERY_COMMANDS.name, offset % read))

    @rule(which=numbers, offset=numbers, trips=trips)
    def deliver_again(self, which: int, offset: int, trips: int | None) -> None:
        """Deliver a message again that was read before."""
        old = [(member, topic) for member in self.world.members for topic in member.topics if member.read[topic]]
        if old:
            member, topic = old[which % len(old)]
            self.world.go(self.world.reading(member, topic, offset % member.read[topic]), trips)

    @rule(topic=st.sampled_from(TOPICS))
    def hold(self, topic: str) -> None:
        self.world.held ^= {topic}

    # processes

    @rule(dead=st.sampled_from([set(), set(), {"orchestrator"}, {"recovery"}]))
    def live_or_die(self, dead: set[str]) -> None:
        """Dead services neither send nor read; at the end they are back only when all others are done."""
        self.world.dead = set(dead)

    @rule(
        orchestrators=st.booleans(),
        news=st.sampled_from(["none", "alert", "abort"]),
        later=st.sampled_from([0.0, 0.0, LEASE + 1]),
        first=numbers,
        second=numbers,
        trips=st.sampled_from([2, 2, 1, 3, 4]),
    )
    def race(self, orchestrators: bool, news: str, later: float, first: int, second: int, trips: int) -> None:
        """One replica has read the state and not yet written it when another gets in between."""
        self.world.clock.time += later
        if news == "alert":
            self._alert("n")
        elif news == "abort" and self.world.ledger.active:
            self._abort(self.world.ledger.active)
        self.world.send()
        self.world.answer_all()
        possible = self._possible(self.world.orchestrator if orchestrators else self.world.recovery)
        if len(possible) > 1:
            earlier, later_step = possible.pop(first % len(possible))(), possible.pop(second % len(possible))()
            self.world.go(earlier, trips)
            self.world.go(later_step)
            self._finish(earlier)

    def _possible(self, member: Member) -> list[Callable[[], Step]]:
        """Return the steps that a replica may do now."""
        heads = [topic for topic in member.topics if member.read[topic] < len(self.world.topics[topic])]
        reads = [partial(self.world.reading, member, topic, member.read[topic]) for topic in heads]
        fires = [partial(self.world.firing, member, timer) for timer in self.world.due(member)]
        works = [partial(self.world.working, member)] if member is self.world.recovery else []
        return [*reads, *fires, *works]

    @rule(which=numbers, trips=trips)
    def go_on(self, which: int, trips: int | None) -> None:
        if left := self.world.left:
            self.world.go(left.pop(which % len(left)), trips)

    @rule(which=numbers)
    def crash(self, which: int) -> None:
        """Drop a step under way, with everything that it had not written."""
        if left := self.world.left:
            left.pop(which % len(left)).coroutine.close()

    @rule(which=numbers, trips=trips, twice=st.booleans())
    def fire(self, which: int, trips: int | None, twice: bool) -> None:
        """Fire a due timer, perhaps in two replicas at once."""
        due = [(member, timer) for member in self.world.members for timer in self.world.due(member)]
        if due:
            for _ in range(1 + twice):
                self.world.go(self.world.firing(*due[which % len(due)]), trips)

    @rule(trips=st.one_of(trips, st.integers(3, 12)))
    def work(self, trips: int | None) -> None:
        """Claim a job; an executor that is left in the middle loses its lease when time passes."""
        self.world.go(self.world.working(self.world.recovery), trips)

    @rule(trips=st.integers(3, 12), aws_fails=st.booleans())
    def come_back_late(self, trips: int, aws_fails: bool) -> None:
        """An executor sleeps for longer than its lease; another does the job, and then the first goes on."""
        self.world.send()
        self.world.deliver()
        if self.world.claimable:
            late, other = (self.world.working(self.world.recovery) for _ in range(2))
            self.world.go(late, trips)
            self.world.clock.time += LEASE + 1
            self.world.account.fails = aws_fails
            self.world.go(other)
            self._finish(late)

    def _finish(self, step: Step) -> None:
        if step in self.world.left:
            self.world.left.remove(step)
            self.world.go(step)

    @rule(seconds=st.sampled_from([0.5, LEASE + 1, LEASE + 1, 130.0, 600.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.time += seconds

    # AWS, and the services that are not here

    @rule(
        rollbacks_end=rollback_ends,
        aws_fails=st.booleans(),
        silent=st.sets(st.sampled_from(sorted(ANSWERED_BY_OTHERS)), max_size=1),
    )
    def surroundings_change(self, rollbacks_end: Ended, aws_fails: bool, silent: set[str]) -> None:
        """Set how rollbacks end from now on, whether AWS fails, and which services do not answer."""
        self.world.rollback.ends = rollbacks_end
        self.world.account.fails = aws_fails
        self.world.silent = silent

    @rule(code=st.sampled_from([0, 0, 1, None]), loses=st.booleans(), refuses=st.sampled_from([False, False, True]))
    def migrations_change(self, code: int | None, loses: bool, refuses: bool) -> None:
        """Set how migrations end from now on, and whether ECS takes them, and says so."""
        tasks = self.world.tasks
        tasks.code, tasks.loses, tasks.refuses = code, loses, refuses

    @rule(which=numbers, verdict=st.sampled_from(Verdict), cause=st.one_of(st.none(), st.sampled_from(Cause)))
    def answer(self, which: int, verdict: Verdict, cause: Cause | None) -> None:
        """Answer any command that was ever sent; for one that was answered before this is a repetition."""
        if commands := self._commands():
            self.world.answer(commands[-1 - which % len(commands)], verdict, cause)

    @rule(which=numbers)
    def publish_progress(self, which: int) -> None:
        if commands := self._commands():
            self.world.progress(commands[-1 - which % len(commands)])

    def _commands(self) -> list[Record]:
        return [record for topic in sorted(ANSWERED_BY_OTHERS) for record in self.world.topics[topic]]

    @rule(
        alert_id=ids,
        state=st.sampled_from(["raised", "raised", "resolved"]),
        name=st.sampled_from(["error_rate", "database_connections"]),
        began=st.sampled_from([0.0, 0.0, 60.0]),
        of_live=st.booleans(),
    )
    def alert(
        self, alert_id: str, state: Literal["raised", "resolved"], name: str, began: float, of_live: bool
    ) -> None:
        """Publish an alert about a rule that was first seen broken ``began`` seconds ago."""
        self._alert(alert_id, state, name, began, of_live=of_live)

    @rule(good=st.booleans())
    def somebody_deploys(self, good: bool) -> None:
        """A person deploys past Surefoot, perhaps what was live at first."""
        self.world.account.deploy(f"{ARN}:1" if good else f"{ARN}:{self.world.account.number + 100}")

    def _alert(
        self,
        alert_id: str,
        state: Literal["raised", "resolved"] = "raised",
        name: str = "error_rate",
        began: float = 0,
        *,
        of_live: bool = False,
    ) -> None:
        self.world.clock.time += 0.001
        self.world.alert(alert_id, state, name, began, of_live=of_live)

    # what holds; the ledger has more, for each event

    @invariant()
    def one_change_is_one_job(self) -> None:
        jobs = self.world.redis.hashes(self.world.recovery.store.key("job", ""))
        changes = {id_ for id_, job in jobs.items() if job.get(b"kind") == b"apply-change"}
        assert changes <= set(self.world.ledger.changes.values())

    def teardown(self) -> None:
        world = self.world
        for step in world.left:
            step.coroutine.close()
        ledger = world.ledger
        if ledger.broken:
            return
        world.come_to_rest()
        for member in world.members:
            told, recorded = world.acts(member), world.recorded(member)
            assert recorded == told, "each act has exactly one record"
        assert set(ledger.ends) == self.requested, "each run ends, once, and no other does"
        assert ledger.active is None
        assert ledger.over.keys() == ledger.begun.keys(), "each rollback ends"
        assert ledger.migrated.keys() >= ledger.migrating.keys(), "each migration ends"
        tokens = {caused_id(started.migration_id, "task") for started in ledger.migrating.values()}
        assert world.tasks.started.keys() <= tokens, "a run has one task at most, and it was told before"
        begun = {started.rollback_id for started in ledger.outside.values()}
        assert ledger.outside_over.keys() == begun, "each rollback outside runs ends"
        protection = Protection.from_bytes(finished(world.recovery.store.load(key_of(TARGET))))
        assert protection.migration is None
        assert (protection.arm, protection.rollback) == (None, None), "recovery does not stand ready for ever"
        course = Course.from_bytes(finished(world.orchestrator.store.load(course_key(TARGET))))
        assert (course.active, course.queue) == (None, ())


Deployments.TestCase.settings = settings(PROFILE, max_examples=40)
TestDeployments = pytest.mark.timeout(900)(Deployments.TestCase)
"""Hypothesis shrinks a failure before it is shown, which takes minutes."""
