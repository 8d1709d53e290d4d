"""A move: what was changed at a service, from what to what, by whom, and what shows it."""

from dataclasses import dataclass

from contracts.base import caused_id
from services.recovery.domain.moves.facts import Noticed, What
from services.recovery.domain.moves.mover import By, Mover, Sure

NAMES: dict[What, str] = {"version": "its version", "count": "its desired count", "limits": "its scaling limits"}


@dataclass(frozen=True, slots=True)
class Move:
    what: What
    at: float
    """Epoch seconds; of a change that only two looks show, the time of the second."""
    before: str
    """Empty where it is not known."""
    after: str
    mover: Mover
    evidence: tuple[str, ...] = ()
    """A clause for each."""

    @property
    def id(self) -> str:
        return caused_id(f"{self.what}:{self.at:.0f}", f"{self.before}:{self.after}")

    @property
    def sentence(self) -> str:
        changed = f"from {self.before} to {self.after}" if self.before else f"to {self.after}"
        return f"{_subject(self.mover)} has changed {NAMES[self.what]} {changed}{_how_sure(self.mover.sure)}."

    @property
    def lowers(self) -> bool:
        """Return whether it is a fall of the desired count."""
        return self.what == "count" and bool(self.before) and int(self.after) < int(self.before)

    @property
    def by_others(self) -> bool:
        """Return whether neither we, ECS nor an autoscaler has made it, as far as that is known."""
        return self.mover.by not in {By.OURS, By.ECS, By.AUTOSCALER}

    def explains(self, noticed: Noticed, slack: float) -> bool:
        """Return whether it is the change that was noticed, or the last of several between the two looks."""
        between = noticed.since - slack <= self.at <= noticed.at + slack
        return self.what == noticed.what and self.after == noticed.after and between


def _subject(mover: Mover) -> str:
    if not mover.who or mover.who.startswith("arn:"):
        return mover.who or "Somebody"
    return f"{mover.who[:1].upper()}{mover.who[1:]}"


def _how_sure(sure: Sure) -> str:
    match sure:
        case Sure.LIKELY:
            return ", as it seems"
        case Sure.NOT_YET:
            return "; who is not known yet"
        case Sure.NOT_ALLOWED:
            return "; who cannot be seen (not allowed: cloudtrail:LookupEvents)"
        case Sure.NOT_KNOWN:
            return "; who is not known"
        case _:
            return ""
