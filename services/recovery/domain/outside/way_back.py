"""Which version an alert outside a run goes back to: what was live directly before, if that is proven."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contracts.monitor import CriticalAlert
from contracts.rollout_pace import duration
from services.recovery.domain.outside.answer import Answer, Why, call_people
from services.recovery.domain.outside.course import Course
from services.recovery.domain.protection import Protection
from services.recovery.domain.snapshots.content import Content
from services.recovery.domain.snapshots.snapshot import Snapshot
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry

LONG = 3600.0
"""Seconds. What was live for so long is no failed attempt: within it people notice, and deploy again."""
MOST_CANDIDATES = 20
"""How many snapshots are looked at, the newest first."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored snapshot of another deployment than the one that is live."""

    snapshot_id: str
    version: str
    """The name of its task definition, with the revision."""
    proven: bool
    served: float
    """Seconds for which its deployment had been live when it was taken."""
    deployment_id: str | None
    """ECS's id of its deployment; None where the index does not have it."""
    same: bool | None
    """Whether it is of the version that is live; None where one of the images is not known by its digest."""
    before: bool = False
    """Whether it is known to be of the version that was live directly before the live one."""

    lost: tuple[str, ...] = ()
    """What it needs and AWS says not to have, as clauses; it is asked of what was live directly before alone."""

    @property
    def named(self) -> str:
        return f"{self.version} of {self.snapshot_id}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the version that is live, and of those that there are to go back to."""

    course: Course
    candidates: tuple[Candidate, ...]
    """The newest first."""
    content: str = ""
    """The fingerprint of what is live; empty where it is not known."""
    content_before: str = ""
    """The same of what was live directly before."""
    repeats: str = ""
    """The name of an earlier version that ran the same; empty where ECS knows none."""
    older: bool = False
    """Whether what is live was registered before the deployment of what it replaced began."""


def worth_comparing(index: Iterable[SnapshotEntry], deployment_id: str) -> tuple[SnapshotEntry, ...]:
    """Return the entries of other deployments than the live one, the newest first, ``MOST_CANDIDATES`` at most."""
    others = (entry for entry in index if entry.deployment_id != deployment_id)
    return tuple(sorted(others, key=lambda entry: entry.taken_at, reverse=True)[:MOST_CANDIDATES])


def candidate_of(
    entry: SnapshotEntry, snapshot: Snapshot, served: float, live: Content, before: Sequence[Content]
) -> Candidate:
    """Compare a snapshot with what is live, and with what was live directly before: no content where none is known."""
    kept = Content(snapshot.task_definition, snapshot.digests)
    return Candidate(
        snapshot_id=entry.snapshot_id,
        version=snapshot.version.rpartition("/")[2],
        proven=entry.proven,
        served=served,
        deployment_id=entry.deployment_id,
        same=kept.same(live),
        before=bool(before) and all(kept.same(content) is True for content in before),
    )


def choose(evidence: Evidence, protection: Protection, alert: CriticalAlert) -> Candidate | Answer:
    """Return what to go back to from the deployment of ``alert``, or why not.

    It is what was live directly before, as ECS tells it, and nothing older. A version is proven by the checks of a
    run that deployed it, or by a rollback to it. So is, for this one decision, the version that the run of the live
    deployment had found: it had been live for an hour, and the monitor's minutes of it show that it kept the rule
    that is broken now. What a rollback has begun to take back is proven no more, and what was live for less than an
    hour is no way back, whatever proves it: what replaced it so soon may be its remedy. What may have been live
    before is not taken back: somebody went back to it, or started it anew.
    """
    none = _why_none(evidence, protection)
    if none is not None:
        return none
    name = evidence.course.before[0].version
    found = [candidate for candidate in evidence.candidates if candidate.before]
    if not found:
        return call_people(Why.NO_WAY_BACK, f"there is no snapshot of {name}, which was live directly before it")
    good = (candidate for candidate in found if candidate.proven or _was_found(candidate, protection, alert))
    unproven = call_people(Why.NO_WAY_BACK, f"{found[0].named}, which was live directly before it, is not proven")
    return _if_there(next(good, unproven))


def _why_none(evidence: Evidence, protection: Protection) -> Answer | None:
    """Return why nothing is gone back to, whatever snapshots there are; None where something may be."""
    again, course = _was_live_before(evidence), evidence.course
    if again:
        return call_people(Why.WAS_LIVE_BEFORE, again)
    if not course.before:
        return call_people(Why.NO_WAY_BACK, "nothing was live before it: it is the service's first deployment")
    if len(course.before) > 1:
        several = " and ".join(revision.version for revision in course.before)
        return call_people(Why.NO_WAY_BACK, f"{several} were live when it began, as another rollout was under way")
    before = f"{course.before[0].version}, which was live directly before it,"
    soon = _replaced_soon(course)
    if soon:
        return call_people(Why.NO_WAY_BACK, f"{before} {soon}")
    unfit = protection.taken_back(None, course.before[0].task_definition, evidence.content_before)
    return call_people(Why.NO_WAY_BACK, f"{before} was to be taken back by {unfit.by} itself") if unfit else None


def _replaced_soon(course: Course) -> str:
    """Return, as a clause, that what was live before may have been replaced for a fault; empty where it was not."""
    began, replaced = course.before[0].created_at, course.after.created_at
    if began is None or replaced is None:
        return "was live for a time that ECS does not tell, and what replaced it may be its remedy"
    if replaced - began < LONG:
        return f"was live for {duration(replaced - began)} only: what replaced it so soon may be its remedy"
    return ""


def _if_there(chosen: Candidate | Answer) -> Candidate | Answer:
    """Return what is chosen; where it could not start again, that the way back is lost: some errors beat no tasks."""
    if isinstance(chosen, Answer) or not chosen.lost:
        return chosen
    return call_people(Why.NO_WAY_BACK, f"{chosen.named} could not start again: {'; '.join(chosen.lost)}")


def _was_live_before(evidence: Evidence) -> str:
    """Return, as a clause, that what is live may be no new version; empty where it is one."""
    snapshot = next((candidate for candidate in evidence.candidates if candidate.same is not False), None)
    if snapshot is not None:
        may = "is" if snapshot.same else "may be"
        return f"what is live {may} {snapshot.named} again: somebody may have put it there on purpose"
    if evidence.repeats:
        return f"what is live is {evidence.repeats} again, which was deployed before: somebody may have gone back to it"
    if evidence.older:
        return "what is live was registered before the version that it replaced: somebody may have gone back to it"
    return ""


def _was_found(candidate: Candidate, protection: Protection, alert: CriticalAlert) -> bool:
    deployed = protection.deployed
    return (
        deployed is not None
        and (deployed.deployment_id, deployed.snapshot_id) == (alert.deployment_id, candidate.snapshot_id)
        and candidate.served >= LONG
        and alert.attribution == "new-version"
    )


def proof_of(candidate: Candidate) -> str:
    """Return what speaks for the version, as a clause."""
    if candidate.proven:
        return "which is proven"
    return f"which had been live for {duration(candidate.served)} and kept the rule"
