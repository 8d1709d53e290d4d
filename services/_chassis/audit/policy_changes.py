"""The audit of the policy: that another one is in force than the service has kept, and what differs."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from contracts.audit import Act
from contracts.base import id_of
from services._chassis.audit.acts import Audited
from services._policy.changes import differences
from services._policy.environment import NO_ENVIRONMENT, Environment
from services._policy.faults import PolicyFaults
from services._policy.kept import Kept, from_bytes
from services._policy.load import load

MOST_RECORDED = 100
"""Lines of a record about a change; it cannot be looked up later, so it has more than a page shows."""


@dataclass(frozen=True, slots=True)
class PolicyComparison:
    """Compares kept copies of policies as they hold in this process."""

    environment: Environment = NO_ENVIRONMENT
    own_account: str = ""

    async def lines(self, before: bytes | None, after: bytes) -> tuple[str, ...]:
        """Return what differs, a line each; none where one of them cannot be read any more."""
        was, now = _kept(before), _kept(after)
        if was is None or now is None or was.files.digest == now.files.digest:
            return ()
        # it takes a second for a thousand services
        return await asyncio.to_thread(lambda: tuple(self._lines(was, now)))

    def _lines(self, was: Kept, now: Kept) -> Iterable[str]:
        try:
            before, after = (load(kept.files, self.environment, self.own_account) for kept in (was, now))
        except PolicyFaults:
            return ("what was in force before cannot be read by this version",)
        found = differences(before, after, before.known() | after.known())
        lines = [difference.line for difference in islice(found, MOST_RECORDED + 1)]
        return lines if len(lines) <= MOST_RECORDED else [*lines[:MOST_RECORDED], "and more"]


WITHOUT_ENVIRONMENT = PolicyComparison()


def policy_act(service: str, before: bytes | None, after: bytes, lines: tuple[str, ...]) -> tuple[Audited, ...]:
    """Return the act that ``after`` is in force in place of ``before``; none where both are the same policy."""
    was, now = _kept(before), _kept(after)
    digests = tuple(kept.files.digest if kept else "none" for kept in (was, now))
    if digests[0] == digests[1]:
        return ()
    what = f"{now.location if now else 'the policy'}: {digests[0][:12]} → {digests[1][:12]}"
    id_ = id_of("policy", service, *digests, str(now.loaded_at if now else ""))
    return (Audited(Act.POLICY_CHANGED, id_, outcome="in force", why=what, details=(*_digests(digests), *lines)),)


def _digests(digests: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name} {digest}" for name, digest in zip(("before", "after"), digests, strict=True))


def _kept(copy: bytes | None) -> Kept | None:
    return None if copy is None else from_bytes(copy)
