"""A service's identity by its settings: its key, and those that it trusts, read again when their file changes."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from contracts.topics import Party
from services._chassis.readiness import Readiness
from services._chassis.settings import Settings
from services._chassis.signatures import UNSIGNED, Identity, Signatures, Signer, Trust
from services._chassis.signing_keys import KeyFault, TrustedKey, read_private, read_trusted

LOOK_SECONDS = 5.0
"""Real seconds between two looks at the file of trusted keys."""
HOW_TO = (
    "surefoot signing-keys create makes keys, and SUREFOOT_SIGNATURES=off runs without them, so that whoever may write "
    "to Kafka is believed"
)

log = structlog.get_logger()


class TrustedKeys:
    """The trusted keys of now. A file that becomes unreadable leaves those that were read last."""

    def __init__(self, path: Path, readiness: Readiness, now: Callable[[], float] = time.monotonic) -> None:
        """Read the file. Raise ``KeyFault``."""
        self._path = path
        self._readiness = readiness
        self._now = now
        self._looked_at = now()
        self._version = self._stamp()
        self._keys = read_trusted(path)

    def __call__(self) -> Mapping[str, TrustedKey]:
        if self._now() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = self._now()
            self._look()
        return self._keys

    def _look(self) -> None:
        version = self._stamp()
        if version == self._version:
            return
        try:
            self._keys = read_trusted(self._path)
        except KeyFault as fault:
            self._readiness.report("trusted-keys", f"{fault}; the keys that were trusted before still are")
            return
        self._version = version
        self._readiness.clear("trusted-keys")
        log.info("the trusted keys have changed", keys=len(self._keys))

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def identity_of(settings: Settings, party: Party, readiness: Readiness) -> Identity:
    """Return how ``party`` signs and what it believes. Raise ``KeyFault`` with a sentence that says what to set."""
    mode = settings.surefoot_signatures
    if mode is Signatures.OFF:
        readiness.degrade("signatures", "Messages are not signed: whoever may write to Kafka is believed.")
        return UNSIGNED
    if not settings.surefoot_signing_key or not settings.surefoot_trusted_keys:
        missing = "SUREFOOT_TRUSTED_KEYS" if settings.surefoot_signing_key else "SUREFOOT_SIGNING_KEY"
        raise KeyFault(f"messages are to be signed, and {missing} is not set: {HOW_TO}")
    private = read_private(Path(settings.surefoot_signing_key.replace("{party}", party)))
    trusted = TrustedKeys(Path(settings.surefoot_trusted_keys), readiness)
    signer = Signer(private)
    own = trusted().get(signer.key_id)
    if own is None or own.party != party:
        raise KeyFault(f"{settings.surefoot_trusted_keys} does not trust the key of {party} ({signer.key_id})")
    if mode is Signatures.ACCEPTED:
        readiness.degrade("signatures", "Messages without a signature are believed (SUREFOOT_SIGNATURES=accepted).")
    return Identity(Trust(mode, trusted), signer)
