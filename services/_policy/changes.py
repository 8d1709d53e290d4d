"""What differs between two policies, in lines for people. No policy has a secret's value; external ids are left out."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from contracts.base import Target
from services._policy.merge import Value
from services._policy.policies import Policies, Refused

LONGEST = 120
"""Characters of a value that a line shows."""


MOST_LINES = 50
"""How many lines about a change are shown."""
MOST_KEPT = 2000
"""How many are kept, so that who sees one service alone finds its lines behind those of others."""


class Difference(NamedTuple):
    """A line about what differs."""

    target: Target | None
    """The service that it is about; None: the installation."""
    line: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of the policy has changed."""

    at: float
    """When, in epoch seconds."""
    before: str
    """The digest of the policy before."""
    after: str
    version: str | None
    """The version in S3."""
    differences: tuple[Difference, ...]
    and_more: bool
    """Whether there are more than were kept."""

    def shown(self, sees: Callable[[Target | None], bool] = lambda _target: True) -> dict[str, Any]:
        """Return what is told to who ``sees`` a service, or (None) the installation with all that is in it."""
        everything = sees(None)
        lines = [line for target, line in self.differences if everything or (target is not None and sees(target))]
        more = ["and more"] if self.and_more or len(lines) > MOST_LINES else []
        return {
            "at": self.at,
            "from": self.before,
            "to": self.after,
            "version": self.version,
            "changes": [*lines[:MOST_LINES], *more],
        }


def differences(before: Policies, after: Policies, among: Collection[Target]) -> Iterator[Difference]:
    """Yield a line for each account, each service and each value that was added, changed or removed."""
    for line in (*_accounts(before, after), *_callers(before, after)):
        yield Difference(None, line)
    for target in sorted(among, key=str):
        was, now = _values(before, target), _values(after, target)
        listed = target in before.listed, target in after.listed
        if listed[0] != listed[1]:
            yield Difference(target, f"{target} is {'' if listed[1] else 'no longer '}listed")
        if was is None or now is None:
            if was != now:
                yield Difference(target, f"{target} may {'no longer ' if now is None else ''}be acted on")
            continue
        for path in sorted(was.keys() | now.keys()):
            old, new = _shown(was.get(path)), _shown(now.get(path))
            if old != new:
                yield Difference(target, f"{target} {path}: {old} → {new}")


def _accounts(before: Policies, after: Policies) -> Iterator[str]:
    for account in sorted(before.accounts.keys() | after.accounts.keys()):
        was, now = before.access(account), after.access(account)
        if was == now:
            continue
        old, new = (held.role if held is not None else "not set" for held in (was, now))
        yield f"account {account} role: {old} → {new}" if old != new else f"account {account}: external id or session"


def _callers(before: Policies, after: Policies) -> Iterator[str]:
    """Yield who is recognised, and who may do what everywhere; of one service that is among its values."""
    was, now = set(before.identities.lines), set(after.identities.lines)
    yield from (f"no longer recognised: {line}" for line in sorted(was - now))
    yield from (f"recognised: {line}" for line in sorted(now - was))
    for (role, old), (_, new) in zip(before.everywhere.by_role(), after.everywhere.by_role(), strict=True):
        if old != new:
            yield f"{role}s: {', '.join(old) or 'nobody'} → {', '.join(new) or 'nobody'}"


def _values(policies: Policies, target: Target) -> Mapping[str, Value] | None:
    try:
        return policies.derived(target).values
    except Refused:
        return None


def _shown(held: Value | None) -> str:
    if held is None or held.value is None:
        return "not set"
    text = held.value if isinstance(held.value, str) else json.dumps(held.value, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
