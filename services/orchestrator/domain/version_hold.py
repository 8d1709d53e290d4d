"""Holds of versions after rollbacks: whose deployments they stop, and until when. Frozen; times are epoch seconds."""

from typing import Self

from contracts.base import Contract, Target, Time
from contracts.policy_holds import Holds
from contracts.prose import Plain, Prose
from contracts.recovery import KnownVersion, RollbackFinished
from services.orchestrator.domain.limits import MINUTE, moment
from services.orchestrator.domain.run_parts import Frozen

MOST_HELD = 20
"""How many versions of a service are held; beyond it the oldest are let go."""


class VersionHold(Frozen):
    """A version that a rollback has taken back."""

    id: Plain
    """The rollback's."""
    version: KnownVersion
    since: float
    actor: Plain = ""
    """The person who went back; empty where Surefoot did so by itself."""
    why: Prose = ""

    @classmethod
    def of(cls, event: RollbackFinished, version: KnownVersion, now: float) -> Self:
        rollback = event.rollback
        why = rollback.reason or rollback.trigger
        return cls(id=event.rollback_id, version=version, since=now, actor=rollback.actor, why=why)

    def until(self, policy: Holds) -> float | None:
        """Return when it ends by itself; None: it does not."""
        return None if policy.minutes is None else self.since + policy.minutes * MINUTE

    def stands(self, policy: Holds, now: float) -> bool:
        """Return whether it holds anything: it has not ended by itself, and the policy wants holds."""
        until = self.until(policy)
        return policy.versions != "none" and (until is None or now < until)

    def stops(self, version: KnownVersion, policy: Holds, now: float, *, by_ci: bool) -> bool:
        """Return whether it stops a deployment of ``version``."""
        if not self.stands(policy, now) or not (by_ci or policy.actors == "all"):
            return False
        return policy.versions == "all" or self.version.matches(version)

    def sentence(self, target: Target, policy: Holds) -> str:
        """Return what is held, since when and why, and how that ends."""
        who, reason = self.actor or "Surefoot", f" ({self.why.rstrip('.')})" if self.why else ""
        until = self.until(policy)
        by_itself = "" if until is None else f" It ends by itself at {moment(until):%Y-%m-%d %H:%M} UTC."
        return (
            f"Since {who} went back at {moment(self.since):%Y-%m-%d %H:%M} UTC{reason}, {policy.held} are held: "
            f"`surefoot release {target.cluster} {target.service}` ends that.{by_itself}"
        )


class HeldVersionLive(Frozen):
    """A held version that somebody has brought in past Surefoot, as it was told."""

    alert_id: str
    hold_id: Plain
    began_at: float
    detail: Prose


class HoldView(Contract):
    """A hold as those see it who ask for it."""

    hold_id: Plain
    version: KnownVersion
    since: Time
    until: Time | None
    """When it ends by itself; None: only when it is released."""
    actor: Plain
    """The person who went back; empty where Surefoot did so by itself."""
    why: Prose
    sentence: Prose

    @classmethod
    def of(cls, hold: VersionHold, target: Target, policy: Holds) -> Self:
        until = hold.until(policy)
        return cls(
            hold_id=hold.id,
            version=hold.version,
            since=moment(hold.since),
            until=None if until is None else moment(until),
            actor=hold.actor,
            why=hold.why,
            sentence=hold.sentence(target, policy),
        )


def views_of(holds: tuple[VersionHold, ...], target: Target, policy: Holds, now: float) -> tuple[HoldView, ...]:
    """Return the holds that stand, the newest first."""
    return tuple(HoldView.of(hold, target, policy) for hold in reversed(holds) if hold.stands(policy, now))
