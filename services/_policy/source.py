"""The policy in force, which follows its file: poll, read twice, build the new policy beside the old one, swap.

Whatever happens to the file, the policy in force stays until a good one replaces it, and nothing raises: what is wrong
is a sentence in ``status()`` and in ``degrade``. No file system events and no modification times: both are missing or
wrong on some mounts, so that only the content counts. Times are real seconds.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Self

import structlog

from contracts.access import Role
from contracts.base import Target
from contracts.policy import Access, Callers, ServicePolicy
from contracts.prose import quote
from services._policy.callers import Identities
from services._policy.changes import differences
from services._policy.environment import Environment
from services._policy.faults import PolicyFaults
from services._policy.kept import Keeper, Kept, as_bytes, from_bytes
from services._policy.load import Files, load
from services._policy.policies import Policies
from services._policy.read import Found, Reader, Unreadable

POLL_SECONDS = (5.0, 10.0)
"""The shortest and the longest time between two polls, drawn anew each time so that replicas do not reload in step."""
SETTLE_SECONDS = 1.0
"""Time between the two reads of a change, in which a writer that truncates and then fills the file has finished."""
RELOAD_LOOKS = 5
"""How often ``reload`` looks at a file that changes each time that it is read."""
READ_SECONDS = 30.0
"""The longest that a read may take: a network file system may hang."""

EMPTIED = "it lists no service any more; write `services: []` and `allow_empty: true` if that is meant"

Listener = Callable[[frozenset[Target]], Awaitable[None]]
"""Called with the targets whose policy has changed. If it raises, the reload has failed, and it is called again."""
Verify = Callable[[Files], float]
"""Returns when a policy was signed, in epoch seconds; raises ``Unreadable`` where it is not signed as is demanded."""
MOST_LINES = 50
"""How many lines about a change are told."""
Degrade = Callable[[str, str | None], None]
"""``(key, sentence)``: reports the process as degraded; with None the degradation is over."""

log = structlog.get_logger()


class NoPolicy(Exception):
    """There is no policy to start with; the text is a sentence for the operator."""


NO_ENVIRONMENT = Environment()


class _Forgetful:
    """A ``Keeper`` that keeps nothing: without a file there is nothing to keep."""

    async def kept(self) -> bytes | None:
        return None

    async def keep(self, copy: bytes) -> None:
        pass


@dataclass(slots=True)
class _Subscription:
    """A listener, and the changes that it has not been called with yet."""

    listener: Listener
    unnotified: set[Target] = field(default_factory=set)


@dataclass
class PolicySource:
    """Implements ``Policies`` of the chassis by the policy that is in force at the moment of each call."""

    reader: Reader | None
    """Reads the file; None if there is no file, and the environment is the policy."""
    environment: Environment
    own_account: str
    keeper: Keeper
    degrade: Degrade = lambda _key, _sentence: None
    verify: Verify | None = None
    """None: policies need no signature."""
    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[float, float], float] = random.uniform

    _policies: Policies | None = field(default=None, init=False)
    _loaded_at: float | None = field(default=None, init=False)
    _looked_at: float | None = field(default=None, init=False)
    _found: Found | None = field(default=None, init=False)
    _fault: str | None = field(default=None, init=False)
    _refused: tuple[Files, str] | None = field(default=None, init=False)
    """What was refused and why, so that it is reported at each poll and parsed once."""
    _signed_at: float = field(default=0.0, init=False)
    """When the policy in force was signed; 0 where none is demanded."""
    _version: str | None = field(default=None, init=False)
    """The version of the policy in force, in S3."""
    last_change: dict[str, Any] | None = field(default=None, init=False)
    """What the last change since the start has changed. ``status`` leaves it out: anybody may read ``/readyz``."""
    _from_kept: bool = field(default=False, init=False)
    _unkept: Kept | None = field(default=None, init=False)
    """A copy of the policy in force that could not be stored yet."""
    _subscriptions: list[_Subscription] = field(default_factory=list, init=False)
    _reading: "asyncio.Task[Found] | None" = field(default=None, init=False)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @classmethod
    def without_file(cls, own_account: str, environment: Environment = NO_ENVIRONMENT) -> Self:
        """Return a started source without a file: the environment is the policy."""
        source = cls(None, environment, own_account, _Forgetful())
        source._begin()
        return source

    @property
    def policies(self) -> Policies:
        """Return the policies in force. They are immutable; a reload replaces them."""
        if self._policies is None:
            raise AssertionError("start() has not been called")
        return self._policies

    def of(self, target: Target) -> ServicePolicy:
        """Return the policy of a target. Raise ``Refused`` where there is none."""
        return self.policies.of(target)

    def find(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        """Return the one target of these names. Raise ``Ambiguous`` or ``Refused``."""
        return self.policies.find(cluster, service, account, region)

    def named(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        """Return the one target of these names, whether anybody may act on it or not. Raise ``Ambiguous``."""
        return self.policies.named(cluster, service, account, region)

    def all(self) -> tuple[Target, ...]:
        """Return every service that is listed."""
        return self.policies.all()

    def access(self, account: str) -> Access | None:
        """Return how to act in an account; None for Surefoot's own, and for accounts without a role."""
        return self.policies.access(account)

    def callers(self, target: Target | None) -> Callers:
        """Return who may do what with a service, or with the installation as a whole."""
        return self.policies.callers(target)

    def highest_role(self, name: str) -> Role | None:
        """Return the highest role that a caller has for any service; None where there is none."""
        return self.policies.highest_role(name)

    @property
    def identities(self) -> Identities:
        """Return who is recognised by a token."""
        return self.policies.identities

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` after each change from now on."""
        self._subscriptions.append(_Subscription(listener))

    async def start(self) -> None:
        """Load the first policy. Raise ``NoPolicy`` if there is neither a good file nor a kept copy of it."""
        if self.reader is None:
            self._begin()
            return
        try:
            policies, files = await self._first(self.reader)
        except Exception as error:  # noqa: BLE001  a file can be wrong in ways that nobody has thought of
            await self._go_on(self.reader, _why(error))
        else:
            await self._swap(policies, files, self.reader.location)

    async def run(self) -> None:
        """Poll until cancelled."""
        while self.reader is None:
            await asyncio.Event().wait()
        while True:
            await self.sleep(self.jitter(*POLL_SECONDS))
            await self.look()

    async def look(self) -> bool:
        """Poll once, and take a good change over. Return False if the file is just being written. Never raises."""
        async with self._looking:
            settled = True
            try:
                settled = await self._look()
            except Exception as error:  # noqa: BLE001  MemoryError and RecursionError, too: the loop outlives everything
                self._report(_why(error))
            self._looked_at = self.now()
            return settled

    async def reload(self) -> str | None:
        """Look at once, while it is being written several times; return why what is on disk is not in force."""
        for _ in range(RELOAD_LOOKS):
            if await self.look():
                return self._fault
        return f"{self.reader.location if self.reader else 'the policy'} changes each time that it is read"

    def status(self) -> dict[str, Any]:
        """Return what is in force and what is on disk, for ``/readyz``, ``/policy`` and ``surefoot policy status``."""
        policies, found = self.policies, self._found
        looked = None if self._looked_at is None else round(self.now() - self._looked_at, 1)
        return {
            "location": self.reader.location if self.reader else None,
            "inode": found.inode if found else None,
            "version": found.version if found else None,
            "version_in_force": self._version,
            "digest": policies.digest,
            "effective_digest": policies.effective_digest,
            "digest_on_disk": found.files.digest if found else None,
            "services": len(policies.all()),
            "loaded_at": self._loaded_at,
            "looked_at": self._looked_at,
            "looked_at_seconds_ago": looked,
            "from_kept_copy": self._from_kept,
            "signed_at": self._signed_at or None,
            "fault": self._fault,
        }

    def _begin(self) -> None:
        self._policies = load(Files(), self.environment, self.own_account)
        self._loaded_at = self._looked_at = self.now()

    async def _look(self) -> bool:
        if self.reader is None:
            return True
        files = await self._read_twice(self.reader)
        if files is None:
            return False  # it is being written; the next poll will see it whole
        if files.digest == self.policies.digest:
            self._signed_at = self._checked(files)
            self._refused, self._from_kept = None, False
            self._report(await self._unfinished(self.reader.location))
        elif self._refused is not None and files == self._refused[0]:
            self._report(self._refused[1])
        else:
            await self._take_over(files, self.reader.location)
        return True

    async def _take_over(self, files: Files, location: str) -> None:
        """Put new files in force, or report why they are refused."""
        before = self.policies
        try:
            signed_at = self._checked(files)
            policies, changed, compared = await asyncio.to_thread(self._prepare, files, before)
        except (PolicyFaults, Unreadable) as faults:
            self._refuse(files, _why(faults))
            return
        if _emptied(before, policies):
            self._refuse(files, EMPTIED)
            return
        changed |= policies.changed_from(before, before.known() - compared)
        self._signed_at = signed_at
        await self._record(before, policies, changed)
        await self._swap(policies, files, location, changed)

    def _checked(self, files: Files) -> float:
        """Return when the files were signed. Raise ``Unreadable`` where they are not signed as is demanded.

        What was signed before the policy in force is refused, so that nobody can put an old policy back.
        """
        signed_at = self.verify(files) if self.verify is not None else 0.0
        if signed_at < self._signed_at:
            raise Unreadable("it was signed before the policy in force: to go back to it, sign it again")
        return signed_at

    async def _record(self, before: Policies, after: Policies, changed: frozenset[Target]) -> None:
        """Put what is changed on record."""
        lines = await asyncio.to_thread(lambda: list(islice(differences(before, after, changed), MOST_LINES + 1)))
        if len(lines) > MOST_LINES:
            lines[MOST_LINES:] = ["and more"]
        version = self._found.version if self._found else None
        self.last_change = {
            "at": self.now(),
            "from": before.digest,
            "to": after.digest,
            "version": version,
            "changes": lines,
        }
        log.info("the policy has changed", **{key: held for key, held in self.last_change.items() if key != "at"})

    def _prepare(self, files: Files, before: Policies) -> tuple[Policies, frozenset[Target], frozenset[Target]]:
        """Return the new policies, the targets that they change, and those that were compared.

        It takes a second for a thousand services, so that it runs in a thread, while ``before`` is asked for more.
        """
        policies = load(files, self.environment, self.own_account)
        compared = before.known() | policies.known()
        return policies, policies.changed_from(before, compared), compared

    def _refuse(self, files: Files, why: str) -> None:
        self._refused = (files, why)
        self._report(why)

    async def _first(self, reader: Reader) -> tuple[Policies, Files]:
        """Return the policy on disk. Raise ``Unreadable`` or ``PolicyFaults``."""
        files = await self._read_twice(reader)
        if files is None:
            raise Unreadable(f"{reader.location} changes while it is read")
        if self.verify is not None and (last := await self._kept(reader.location)) is not None:
            self._signed_at = self._signed_at_of(last.files)
        self._signed_at = self._checked(files)
        policies = await asyncio.to_thread(load, files, self.environment, self.own_account)
        if not policies.listed and (kept := await self._kept(reader.location)) is not None:
            before = await asyncio.to_thread(load, kept.files, self.environment, self.own_account)
            if _emptied(before, policies):
                raise Unreadable(EMPTIED)
        return policies, files

    def _signed_at_of(self, kept: Files) -> float:
        """Return when the kept copy was signed; 0 where nobody who may has signed it."""
        try:
            return self._checked(kept)
        except Unreadable:
            return 0.0

    async def _read_twice(self, reader: Reader) -> Files | None:
        """Return the files, read twice if they have changed; None if the two reads differ. Raise ``Unreadable``."""
        first = await self._attempt(reader)
        if not isinstance(first, Unreadable) and self._known(first):
            return first.files
        await self.sleep(SETTLE_SECONDS)
        second = await self._attempt(reader)
        if isinstance(second, Unreadable):
            raise second
        if isinstance(first, Unreadable) or first.files.digest != second.files.digest:
            return None if self._policies is not None else await self._read_third(reader, second)
        return second.files

    async def _read_third(self, reader: Reader, second: Found) -> Files | None:
        """Read a third time at the start, where no next poll would find a file that is just being written."""
        await self.sleep(SETTLE_SECONDS)
        third = await self._attempt(reader)
        return None if isinstance(third, Unreadable) or third.files.digest != second.files.digest else third.files

    def _known(self, found: Found) -> bool:
        return self._policies is not None and found.files.digest in {
            self._policies.digest,
            self._refused and self._refused[0].digest,
        }

    async def _attempt(self, reader: Reader) -> Found | Unreadable:
        """Read, with at most one read at a time: a read that hangs is waited for and not repeated."""
        if self._reading is None:
            self._reading = asyncio.ensure_future(_read(reader))
        done, _ = await asyncio.wait({self._reading}, timeout=READ_SECONDS)
        if not done:
            return Unreadable(f"{reader.location} has not answered for {READ_SECONDS:g} seconds")
        reading, self._reading = self._reading, None
        try:
            self._found = reading.result()
        except Unreadable as unreadable:
            return unreadable
        return self._found

    async def _swap(
        self, policies: Policies, files: Files, location: str, changed: frozenset[Target] = frozenset()
    ) -> None:
        """Replace the policy in force, and call the listeners with the targets whose policy has changed."""
        self._policies = policies
        self._version = self._found.version if self._found else None
        self._loaded_at = self._looked_at = self.now()
        self._refused, self._from_kept = None, False
        self._unkept = Kept(location, self._loaded_at, files)
        for subscription in self._subscriptions:
            subscription.unnotified |= changed
        log.info("the policy is in force", digest=policies.digest[:12], changed=len(changed))
        self._report(await self._unfinished(location))

    async def _unfinished(self, location: str) -> str | None:
        """Call the listeners and keep the copy; return what failed, which the next poll tries again."""
        problem = None
        for subscription in self._subscriptions:
            if subscription.unnotified:
                changed = frozenset(subscription.unnotified)
                try:
                    await subscription.listener(changed)
                except Exception as error:  # noqa: BLE001  whatever a listener raises, the policy has not reached it
                    problem = f"a part of this service could not take the new policy over: {_why(error)}"
                else:
                    subscription.unnotified -= changed
        if self._unkept is not None:
            try:
                await self.keeper.keep(as_bytes(self._unkept))
            except Exception as error:  # noqa: BLE001  a store that is away must not stop a reload
                problem = problem or f"the copy of {location} for a restart could not be stored: {_why(error)}"
            else:
                self._unkept = None
        return problem

    async def _go_on(self, reader: Reader, why: str) -> None:
        """Start from the kept copy. Raise ``NoPolicy`` if there is no copy from this location."""
        log.warning("the policy cannot be loaded", why=why)
        try:
            kept = await self._kept(reader.location)
            policies = None
            if kept is not None:
                self._signed_at = 0.0
                self._signed_at = self._checked(kept.files)
                policies = await asyncio.to_thread(load, kept.files, self.environment, self.own_account)
        except Exception as error:
            raise NoPolicy(f"neither the policy nor the copy that was kept can be loaded: {why}") from error
        if kept is None or policies is None:
            raise NoPolicy(f"the policy cannot be loaded, and no copy of it was kept: {why}")
        self._policies = policies
        self._loaded_at = kept.loaded_at
        self._looked_at = self.now()
        self._from_kept = True
        self._report(why)

    async def _kept(self, location: str) -> Kept | None:
        held = await self.keeper.kept()
        kept = None if held is None else from_bytes(held)
        return kept if kept is not None and kept.location == location else None

    def _report(self, why: str | None) -> None:
        """Report as degraded that the policy in force is not the one on disk, or (None) that it is."""
        if why != self._fault:
            if why is None:
                log.info("the policy on disk is the one in force")
            else:
                log.warning("the policy was not taken over", why=why)
        self._fault = why
        if why is None:
            self.degrade("policy", None)
            return
        copy = "the copy that was kept" if self._from_kept else "the policy in force"
        self.degrade("policy", f"{copy} ({self.policies.digest[:12]}) stays in force: {why}")


async def _read(reader: Reader) -> Found:
    return await reader.read()


def _emptied(before: Policies, after: Policies) -> bool:
    return bool(before.listed) and not after.listed and not after.allow_empty


def _why(error: BaseException) -> str:
    if isinstance(error, PolicyFaults):
        return error.summary
    if isinstance(error, Unreadable):
        return str(error)
    return quote(f"{type(error).__name__}: {error}".rstrip(": "), 300)
