"""The policy in force, which follows its file: poll, read twice, build the new policy beside the old one, swap.

Whatever happens to the file, the policy in force stays until a good one replaces it, and nothing raises: what is wrong
is a sentence in ``status()`` and in ``degrade``. No file system events and no modification times: both are missing or
wrong on some mounts, so that only the content counts. Times are real seconds.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import structlog

from contracts.base import Target
from services._policy.changes import MOST_KEPT, Change, differences
from services._policy.environment import Environment
from services._policy.faults import PolicyFaults
from services._policy.files import Files
from services._policy.in_force import InForce
from services._policy.kept import Keeper, Kept, LastGood
from services._policy.load import load
from services._policy.policies import Policies
from services._policy.read import Found, Reader, Unreadable
from services._policy.reasons import sentence_of
from services._policy.settled import SettledReader, Sleep
from services._policy.signed import SigningOrder, Verify

POLL_SECONDS = (5.0, 10.0)
"""The shortest and the longest time between two polls, drawn anew each time so that replicas do not reload in step."""
RELOAD_LOOKS = 5
"""How often ``reload`` looks at a file that changes each time that it is read."""
EMPTIED = "it lists no service any more; write `services: []` and `allow_empty: true` if that is meant"

Degrade = Callable[[str, str | None], None]
"""``(key, sentence)``: reports the process as degraded; with None the degradation is over."""

log = structlog.get_logger()


class NoPolicy(Exception):
    """There is no policy to start with; the text is a sentence for the operator."""


@dataclass
class PolicySource(InForce):
    """Puts in force what lies at the policy's location, from ``start`` on and as long as ``run`` polls."""

    reader: Reader | None
    """Reads the file; None if there is no file, and the environment is the policy."""
    environment: Environment
    own_account: str
    keeper: Keeper
    degrade: Degrade = lambda _key, _sentence: None
    verify: Verify | None = None
    """None: policies need no signature."""
    now: Callable[[], float] = time.time
    sleep: Sleep = asyncio.sleep
    jitter: Callable[[float, float], float] = random.uniform

    _settled: SettledReader | None = field(init=False)
    _last_good: LastGood = field(init=False)
    _signing: SigningOrder = field(init=False)
    _loaded_at: float | None = field(default=None, init=False)
    _looked_at: float | None = field(default=None, init=False)
    _fault: str | None = field(default=None, init=False)
    _refused: tuple[Files, str] | None = field(default=None, init=False)
    """What was refused and why, so that it is reported at each poll and parsed once."""
    _version: str | None = field(default=None, init=False)
    """The version of the policy in force, in S3."""
    last_change: Change | None = field(default=None, init=False)
    """What the last change since the start has changed. ``status`` leaves it out: it is shown to whom it concerns."""
    _from_kept: bool = field(default=False, init=False)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def __post_init__(self) -> None:
        self._settled = SettledReader(self.reader, self.sleep) if self.reader is not None else None
        self._last_good = LastGood(self.keeper)
        self._signing = SigningOrder(self.verify)

    async def start(self) -> None:
        """Load the first policy. Raise ``NoPolicy`` if there is neither a good file nor a kept copy of it."""
        if self._settled is None:
            self._begin()
            return
        location = self._settled.reader.location
        try:
            policies, files = await self._first(self._settled, location)
        except Exception as error:  # noqa: BLE001  a file can be wrong in ways that nobody has thought of
            await self._go_on(location, sentence_of(error))
        else:
            await self._swap(policies, files, location)

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
                self._report(sentence_of(error))
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
            "must_be_signed": self.verify is not None,
            "signed_at": self._signing.signed_at or None,
            "fault": self._fault,
        }

    @property
    def _found(self) -> Found | None:
        """Return what was last read at the policy's location."""
        return self._settled.found if self._settled is not None else None

    def _begin(self) -> None:
        self.replace(load(Files(), self.environment, self.own_account))
        self._loaded_at = self._looked_at = self.now()

    async def _look(self) -> bool:
        if self._settled is None:
            return True
        location, refused = self._settled.reader.location, self._refused
        files = await self._settled.changed({self.policies.digest, *([refused[0].digest] if refused else [])})
        if files is None:
            return False  # it is being written; the next poll will see it whole
        if files.digest == self.policies.digest:
            self._signing.accept(files)
            self._refused, self._from_kept = None, False
            self._report(await self._finish())
        elif refused is not None and files == refused[0]:
            self._report(refused[1])
        else:
            await self._take_over(files, location)
        return True

    async def _take_over(self, files: Files, location: str) -> None:
        """Put new files in force, or report why they are refused."""
        before = self.policies
        try:
            signed_at = self._signing.check(files)
            policies, changed, compared = await asyncio.to_thread(self._prepare, files, before)
        except (PolicyFaults, Unreadable) as faults:
            self._refuse(files, sentence_of(faults))
            return
        if _emptied(before, policies):
            self._refuse(files, EMPTIED)
            return
        changed |= policies.changed_from(before, before.known() - compared)
        self._signing.signed_at = signed_at
        await self._record(before, policies, changed)
        await self._swap(policies, files, location, changed)

    async def _record(self, before: Policies, after: Policies, changed: frozenset[Target]) -> None:
        """Put what is changed on record."""
        found = await asyncio.to_thread(lambda: list(islice(differences(before, after, changed), MOST_KEPT + 1)))
        version = self._found.version if self._found else None
        kept, more = tuple(found[:MOST_KEPT]), len(found) > MOST_KEPT
        self.last_change = Change(self.now(), before.digest, after.digest, version, kept, more)
        log.info(
            "the policy has changed", **{key: held for key, held in self.last_change.shown().items() if key != "at"}
        )

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

    async def _first(self, settled: SettledReader, location: str) -> tuple[Policies, Files]:
        """Return the policy on disk. Raise ``Unreadable`` or ``PolicyFaults``."""
        files = await settled.first()
        if files is None:
            raise Unreadable(f"{location} changes while it is read")
        if self.verify is not None and (last := await self._last_good.of(location)) is not None:
            self._signing.begin_with(last.files)
        self._signing.accept(files)
        policies = await asyncio.to_thread(load, files, self.environment, self.own_account)
        if not policies.listed and (kept := await self._last_good.of(location)) is not None:
            before = await asyncio.to_thread(load, kept.files, self.environment, self.own_account)
            if _emptied(before, policies):
                raise Unreadable(EMPTIED)
        return policies, files

    async def _swap(
        self, policies: Policies, files: Files, location: str, changed: frozenset[Target] = frozenset()
    ) -> None:
        """Replace the policy in force, and call the listeners with the targets whose policy has changed."""
        self.replace(policies, changed)
        self._version = self._found.version if self._found else None
        self._loaded_at = self._looked_at = self.now()
        self._refused, self._from_kept = None, False
        self._last_good.replace(Kept(location, self._loaded_at, files))
        log.info("the policy is in force", digest=policies.digest[:12], changed=len(changed))
        self._report(await self._finish())

    async def _finish(self) -> str | None:
        """Call the listeners and keep the copy; return what failed, which the next poll tries again."""
        unnotified, unstored = await self.notify(), await self._last_good.store()
        return unnotified or unstored

    async def _go_on(self, location: str, why: str) -> None:
        """Start from the kept copy. Raise ``NoPolicy`` if there is no copy from this location."""
        log.warning("the policy cannot be loaded", why=why)
        try:
            kept = await self._last_good.of(location)
            policies = None
            if kept is not None:
                self._signing = SigningOrder(self.verify)
                self._signing.accept(kept.files)
                policies = await asyncio.to_thread(load, kept.files, self.environment, self.own_account)
        except Exception as error:
            raise NoPolicy(f"neither the policy nor the copy that was kept can be loaded: {why}") from error
        if kept is None or policies is None:
            raise NoPolicy(f"the policy cannot be loaded, and no copy of it was kept: {why}")
        self.replace(policies)
        self._loaded_at = kept.loaded_at
        self._looked_at = self.now()
        self._from_kept = True
        self._report(why)

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


def _emptied(before: Policies, after: Policies) -> bool:
    return bool(before.listed) and not after.listed and not after.allow_empty
