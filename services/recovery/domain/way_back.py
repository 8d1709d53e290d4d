"""Which version an alert outside a run goes back to: a proven one, and never the one that is live."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from contracts.monitor import CriticalAlert
from contracts.rollout_pace import duration
from services.recovery.domain.answer import Answer, Why, call_people
from services.recovery.domain.change import content_hash
from services.recovery.domain.protection import Protection, SnapshotEntry
from services.recovery.domain.snapshot import Snapshot

LONG = 3600.0
"""Seconds. Whoever was live for so long is no failed attempt: within it people notice, and deploy again."""
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

    @property
    def named(self) -> str:
        return f"{self.version} of {self.snapshot_id}"


def worth_comparing(index: Iterable[SnapshotEntry], deployment_id: str) -> tuple[SnapshotEntry, ...]:
    """Return the entries of other deployments than the live one, the newest first, ``MOST_CANDIDATES`` at most."""
    others = (entry for entry in index if entry.deployment_id != deployment_id)
    return tuple(sorted(others, key=lambda entry: entry.taken_at, reverse=True)[:MOST_CANDIDATES])


def candidate_of(
    entry: SnapshotEntry, snapshot: Snapshot, served: float, definition: Mapping[str, Any], digests: Mapping[str, str]
) -> Candidate:
    """Compare a snapshot with what is live: a described task definition, and the digests that run by container."""
    same = _is_same((snapshot.task_definition, snapshot.digests), (definition, digests))
    return Candidate(
        entry.snapshot_id, snapshot.version.rpartition("/")[2], entry.proven, served, entry.deployment_id, same
    )


def choose(candidates: Sequence[Candidate], protection: Protection, alert: CriticalAlert) -> Candidate | Answer:
    """Return what to go back to from the deployment of ``alert``, of ``candidates``, the newest first; or why not.

    A version is proven by the checks of a run that deployed it, or by a rollback to it. So is, for this one decision,
    the version that the run of the live deployment had found: it had been live for an hour, and the monitor's minutes
    of it show that it kept the rule that is broken now. A deployment that a rollback has begun to take back is left
    out; its task definition is proven no more where it was deployed again. What is not proven is not passed over. What
    may have been live before is not taken back: somebody went back to it, or started it anew.
    """
    again = next((candidate for candidate in candidates if candidate.same is not False), None)
    if again is not None:
        may = "is" if again.same else "may be"
        because = f"what is live {may} {again.named} again: somebody may have put it there on purpose"
        return call_people(Why.WAS_LIVE_BEFORE, because)
    entries = {entry.snapshot_id: entry for entry in protection.snapshots}
    passed: list[Candidate] = []
    for candidate in candidates:
        entry = entries.get(candidate.snapshot_id)
        known = protection.taken_back(entry.deployment_id, entry.task_definition) if entry else None
        if known is not None and known.deployment_id == candidate.deployment_id:
            continue
        if known is not None or not (candidate.proven or _was_found(candidate, protection, alert)):
            passed.append(candidate)
        elif all(candidate.deployment_id == newer.deployment_id for newer in passed):
            return candidate
        else:
            break
    found = [f"{newer.named} is not proven" for newer in passed]
    reasons = f" ({'; '.join(found[:3])})" if found else ""
    return call_people(Why.NO_WAY_BACK, f"there is no proven version right before it to go back to{reasons}")


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


_Ran = tuple[Mapping[str, Any], Mapping[str, str]]
"""A described task definition, and container name → digest of the image that ran."""


def _is_same(one: _Ran, other: _Ran) -> bool | None:
    """Return whether two task definitions run the same; None where only the same tags say so, which can be moved.

    Families, tags and the names of repositories make no difference; what an image's digest is, does.
    """
    if _rest(one) != _rest(other):
        return False
    pairs = list(zip(_images(one), _images(other), strict=True))
    if any(ours.differs(theirs) for ours, theirs in pairs):
        return False
    return True if all(ours.digest and theirs.digest for ours, theirs in pairs) else None


class _Image(NamedTuple):
    reference: str
    digest: str

    def differs(self, other: "_Image") -> bool:
        """Return whether they are known to be different images."""
        if self.digest and other.digest:
            return self.digest != other.digest
        return self.reference != other.reference


def _images(ran: _Ran) -> list[_Image]:
    definition, digests = ran
    found = []
    for container in definition["containerDefinitions"]:
        reference = str(container["image"])
        digest = reference.rpartition("@")[2] if "@" in reference else digests.get(container["name"], "")
        found.append(_Image(reference, digest))
    return found


def _rest(ran: _Ran) -> str:
    """Return a hash of everything but the images."""
    definition, _ = ran
    containers = [{**container, "image": ""} for container in definition["containerDefinitions"]]
    return content_hash({**definition, "family": "", "containerDefinitions": containers})
