"""What recovery's routes take and answer."""

from collections.abc import Collection, Iterable
from typing import Self

from pydantic import Field, model_validator

from contracts.base import Target
from contracts.deployment import Override
from contracts.prose import Prose
from contracts.suggest import did_you_mean
from services._chassis.http import Problem
from services._chassis.operations import Accepted, Requested
from services._chassis.policies import Policies
from services.recovery.domain.snapshots.snapshot import SnapshotId


def _is_unset(value: object) -> bool:
    """Return whether a field says nothing: a body of the previous version keeps its digest."""
    return not value


def check_overrides(what: str, overrides: Iterable[Override], known: Collection[str]) -> None:
    """Raise ``Problem`` for an override of a check that ``what``, such as "A drill", does not know."""
    for override in overrides:
        if override.gate not in known:
            guess = did_you_mean(override.gate, known) or "."
            listed = f"Checks that can be overridden: {', '.join(known)}."
            raise Problem(422, "No such check", f"{what} has no check {override.gate[:100]!r}{guess} {listed}")


class RollbackRequest(Requested):
    """The body of the requirements (docs/requirements.md), with the person who asks."""

    snapshot_id: SnapshotId | None = None
    dry_run: bool = False
    latest_proven: bool = Field(default=False, exclude_if=_is_unset)
    """In place of an id: the newest proven snapshot that was not taken back, and from which the service differs."""
    force: bool = Field(default=False, exclude_if=_is_unset)
    """Try it although something that the snapshot needs is not there any more."""

    @model_validator(mode="after")
    def _one_is_named(self) -> Self:
        if (self.snapshot_id is None) is not self.latest_proven:
            raise ValueError("name exactly one of snapshot_id and latest_proven")
        return self


class SnapshotAccepted(Accepted):
    snapshot_id: str


class RollbackAccepted(Accepted):
    rollback_id: str
    snapshot_id: str
    hold: Prose = ""
    """What is held once it has ended, and how that is released; empty where the policy wants no hold."""


def hold_after(target: Target, policies: Policies) -> str:
    """Return what is held once a rollback has ended; empty where nothing is."""
    try:
        holds = policies.of(target).holds
    except LookupError:
        return ""  # nobody deploys there
    if holds.versions == "none":
        return ""
    command = f"surefoot release {target.cluster} {target.service}"
    return f"Once it has ended, {holds.held} are held until somebody releases that: {command}."
