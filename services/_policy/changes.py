"""What differs between two policies, in lines for people. No policy has a secret's value; external ids are left out."""

import json
from collections.abc import Collection, Iterator, Mapping

from contracts.base import Target
from services._policy.merge import Value
from services._policy.policies import Policies, Refused

LONGEST = 120
"""Characters of a value that a line shows."""


def differences(before: Policies, after: Policies, among: Collection[Target]) -> Iterator[str]:
    """Yield a line for each account, each service and each value that was added, changed or removed."""
    yield from _accounts(before, after)
    yield from _callers(before, after)
    for target in sorted(among, key=str):
        was, now = _values(before, target), _values(after, target)
        listed = target in before.listed, target in after.listed
        if listed[0] != listed[1]:
            yield f"{target} is {'' if listed[1] else 'no longer '}listed"
        if was is None or now is None:
            if was != now:
                yield f"{target} may {'no longer ' if now is None else ''}be acted on"
            continue
        for path in sorted(was.keys() | now.keys()):
            old, new = _shown(was.get(path)), _shown(now.get(path))
            if old != new:
                yield f"{target} {path}: {old} → {new}"


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
