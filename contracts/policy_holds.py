"""The sections of a policy about what holds a run: approvals of persons, pauses, and versions that were taken back."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from contracts.policy_section import Section, default

LONGEST_HOLD = 1440
"""Minutes for which a run waits at most for persons, or is paused."""
LONGEST_VERSION_HOLD = 43200
"""Minutes after which the hold of a version may end by itself at most: 30 days."""
ApproverName = Annotated[str, StringConstraints(pattern=r"^(key|pipeline|ci):[a-z0-9][a-z0-9-]{0,62}$")]
"""A caller who was proven over HTTP (``key:``, ``pipeline:``), or by a signature over Kafka (``ci:``)."""


class Approval(Section):
    """Who has to approve a run at one gate."""

    needed: Annotated[int, Field(ge=0, le=10)] = default(0, "Surefoot's own choice: off")
    """How many persons have to approve; 0: none. Each counts once."""
    approvers: tuple[ApproverName, ...] = default((), "every caller who has the role", max_length=200)
    """The only ones whose approval counts. Over HTTP they need the role as well."""
    role: Literal["approver", "operator", "admin"] = default("approver", "Surefoot's own choice")
    """The role for the service that it takes over HTTP. Over Kafka there are no roles: what `requests` says holds."""
    minutes: Annotated[float, Field(gt=0, le=LONGEST_HOLD)] = default(60, "Surefoot's own choice")
    """How long a run waits for them. Without them it ends: blocked before the change, failed after it."""
    requester_may_approve: bool = default(False, "Surefoot's own choice")
    """Whether the approval counts of whoever has asked for the run."""


class Pause(Section):
    """How long a person may pause a run."""

    default_minutes: Annotated[float, Field(gt=0, le=LONGEST_HOLD)] = default(30, "Surefoot's own choice")
    """How long, where the request does not say; never longer than the longest."""
    maximum_minutes: Annotated[float, Field(ge=0, le=LONGEST_HOLD)] = default(120, "Surefoot's own choice")
    """The longest pause that a request may ask for; 0: no run is paused."""


_WHOSE = {"ci": "CI's", "all": "all"}


class Holds(Section):
    """Which deployments are held after a rollback, until somebody releases them."""

    versions: Literal["that", "all", "none"] = default("that", "Surefoot's own choice")
    """``that``: the version that was taken back, by the digests of its images; ``all``: every version; ``none``: no
    hold begins."""
    actors: Literal["ci", "all"] = default("ci", "Surefoot's own choice")
    """This says whose deployments are held. With ``ci`` they are those of callers without the role approver, and over
    Kafka those of keys that `requests.approvers` does not name."""
    minutes: Annotated[float, Field(gt=0, le=LONGEST_VERSION_HOLD)] | None = default(None, "until it is released")
    """After so many minutes a hold ends by itself. off: only when it is released."""

    @property
    def held(self) -> str:
        """Return which deployments are held, as a phrase."""
        which = "every version" if self.versions == "all" else "the version that was taken back"
        return f"{_WHOSE[self.actors]} deployments of {which}"
