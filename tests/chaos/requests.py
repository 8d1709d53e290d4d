"""The requests of a campaign: runs on several targets, which follow from the seed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal, get_args

from contracts.base import Target
from contracts.deployment import DeploymentConfig, DeployRequested, ImageChange, Outcome, run_id_of
from contracts.migration_asked import MigrationAsked
from contracts.policy_drills import Day
from sandbox.scenarios.behaviour import Behaviour, Migrating
from tests.chaos.kinds import SCALED, STANDING, USUAL, mix, service_name

ACCOUNT, REGION, CLUSTER = "123456789012", "us-west-2", "CourtCaseCluster"
SOURCE = "chaos"
REPOSITORY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/backend"
ABORTED = 0.06
"""The share of runs that a person aborts."""
PAUSED = 0.2
"""The share of runs that a person pauses."""
PAUSE_MINUTES = 2.0
RESUMED = 0.5
"""The share of pauses that a person ends before their time."""
REJECTED = 0.2
"""The share of runs that want an approval which a person rejects."""
SUPERSEDING = 0.1
"""The share of runs that take the place of the one before them on their target."""
MIGRATING = 0.35
"""The share of runs of healthy versions that migrate before their change, where a task can run."""
FAILING = 0.3
"""The share of these whose migration fails."""
TASK_SECONDS = 30.0
"""Product seconds for which the task of a migration runs: long enough for services to die meanwhile."""
UNFIT = "wrong-architecture"
VISITED = 15
"""For so many runs, one more comes in while a drill is under way."""
CONFIG = DeploymentConfig(deployment_timeout_minutes=8, validation_timeout_minutes=8, baking_minutes=3)


@dataclass(frozen=True, slots=True)
class Asked:
    """The request of one run."""

    number: int
    target: Target
    behaviour: str
    tag: str
    """An image of its own, so that each change is one."""
    abort_after: float | None
    """Real seconds."""
    kind: str = USUAL
    """Of its service."""
    pause_after: float | None = None
    """Real seconds."""
    resume_after: float | None = None
    """Real seconds after its pause."""
    wants_approval: bool = False
    """Whether the policy of its service wants a person to approve the change."""
    rejected: bool = False
    """Whether a person rejects the change, where one has to approve it."""
    supersedes_after: float | None = None
    """Real seconds after the request before it on its target, whose place it takes; None: it comes after its end."""
    superseded: bool = False
    """Whether the next request on its target takes its place."""
    migrates: bool = False
    migration_fails: bool = False
    """Whether the container that migrates ends with an error."""
    repeats: Literal["", "held", "released"] = ""
    """It asks for a version once more that a rollback has taken back: while that is held, or once it was released."""

    def outcomes(self, *, harmless: bool) -> frozenset[Outcome]:
        """Return the ends that are right. Harm may keep a good version from going live; a bad one never succeeds."""
        right = self.right
        if harmless:
            aborted = set() if self.abort_after is None else {Outcome.ABORTED, Outcome.ROLLED_BACK}
            paused = set() if self.pause_after is None else {Outcome.ABORTED}
            superseded = {Outcome.ABORTED, Outcome.ROLLED_BACK} if self.superseded else set()
            return frozenset({right, *aborted, *paused, *superseded})
        return frozenset(Outcome) - (frozenset() if right is Outcome.SUCCEEDED else {Outcome.SUCCEEDED})

    @property
    def right(self) -> Outcome:
        """Return how it ends where nothing interferes."""
        blocked = self.repeats == "held" or self.rejected or (self.migrates and self.migration_fails)
        return Outcome.BLOCKED if blocked else STANDING[self.kind].right(self.behaviour)

    @property
    def image(self) -> Behaviour:
        """Return what its image does, a migration included."""
        migrating = Migrating(seconds=TASK_SECONDS, exit_code=int(self.migration_fails))
        return STANDING[self.kind].image_of(self.behaviour).model_copy(update={"migration": migrating})

    @property
    def id(self) -> str:
        return f"run-{self.number}"

    @property
    def run_id(self) -> str:
        return run_id_of(self.target, SOURCE, self.id)

    @property
    def event(self) -> DeployRequested:
        change = ImageChange(reference=f"{REPOSITORY}:{self.tag}")
        way = "queue" if self.supersedes_after is None else "supersede"
        migration = MigrationAsked(compatible=True) if self.migrates else None
        return DeployRequested(
            target=self.target, change=change, actor="chaos", config=CONFIG, on_conflict=way, migration=migration
        )


def target(number: int) -> Target:
    return Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=service_name(number))


def requests(seed: int, runs: int, targets: int) -> list[Asked]:
    """Return ``runs`` requests, which go round the ``targets``; some take the place of the one before them.

    At least one is aborted, and one supersedes another where a target has two.
    """
    random, asked = Random(f"superseding {seed}"), list(_one_after_another(seed, runs, targets))
    superseding = [number for number in range(targets, runs) if random.random() < SUPERSEDING]
    for number in superseding or random.sample(range(targets, runs), int(runs > targets)):
        before = number - targets
        asked[before] = replace(asked[before], superseded=True)
        asked[number] = replace(asked[number], supersedes_after=random.uniform(0.5, 10.0))
    if all(request.abort_after is None for request in asked):
        number = random.randrange(runs)
        asked[number] = replace(asked[number], abort_after=random.uniform(0.1, 4.0))
    return asked


def _one_after_another(seed: int, runs: int, targets: int) -> Iterator[Asked]:
    random, kinds = Random(f"requests {seed}"), mix(seed, targets)
    acts, verbs, migrations = (Random(f"{of} {seed}") for of in ("acts", "verbs", "migrations"))
    for number in range(runs):
        kind = kinds[number % targets]
        behaviour = random.choice(STANDING[kind].behaviours)
        migrates, fails = migrations.random() < MIGRATING, migrations.random() < FAILING
        abort_after = random.uniform(0.1, 8.0) if random.random() < ABORTED else None
        yield Asked(
            number,
            target(number % targets + 1),
            behaviour,
            f"{behaviour}-{seed}-{number}",
            abort_after,
            kind,
            acts.uniform(0.1, 6.0) if acts.random() < PAUSED else None,
            verbs.uniform(0.5, 3.0) if verbs.random() < RESUMED else None,
            (wanted := wants_approval(number % targets + 1)),
            rejected=wanted and verbs.random() < REJECTED,
            migrates=(migrates := migrates and behaviour == "healthy" and STANDING[kind].migrates),
            migration_fails=migrates and fails,
        )


def visits(seed: int, runs: int, targets: int) -> list[Asked]:
    """Return requests of runs that come in while a drill is under way on the service to which nothing is deployed.

    Their image cannot run there, so that each is blocked. They are numbered behind all others.
    """
    service = target(targets + 1)
    tags = ((number, f"{UNFIT}-{seed}-{number}") for number in range(runs, runs + 1 + runs // VISITED))
    return [Asked(number, service, UNFIT, tag, None, SCALED) for number, tag in tags]


def wants_approval(number: int) -> bool:
    """Return whether the changes of this service have to be approved: those of every third, from the first one on."""
    return number % 3 == 1


def policy(services: int) -> dict[str, Any]:
    """Return a policy of the first services, in which alerts outside runs roll back, as they do by default.

    The harness has one key, so that whoever asks for a run approves it, too.
    """
    return {"version": 1, "services": [_service(number) for number in range(1, services + 1)]}


def _service(number: int) -> dict[str, Any]:
    approval = {"needed": int(wants_approval(number)), "minutes": 10, "requester_may_approve": True}
    return {
        "cluster": CLUSTER,
        "service": service_name(number),
        "approval_before_change": approval,
        "drills": {"enabled": True, "hours": "00-24", "days": [*get_args(Day)]},
    }
