"""Certificates, keys and authorities in files: read at the start, and again when they change.

A renewed file takes effect for the connections that are made from then on, without a restart. What cannot be used
leaves in force what was read last, and is reported. An authority that was taken out of its file stays trusted until
the next start: OpenSSL adds to what a connection's context trusts, and removes nothing.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography import x509

from services._chassis.connection_settings import ConnectionFault
from services._chassis.readiness import Readiness

LOOK_SECONDS = 5.0
"""Real seconds between two looks at the files."""
SOON_DAYS = 7.0
"""A certificate that expires sooner is reported as degraded."""
DAY_SECONDS = 24 * 3600

log = structlog.get_logger()


@dataclass
class TlsFiles:
    """The files of one connection, and the context that is made of them."""

    name: str
    """What they are for: kafka, redis or http."""
    settings: tuple[str, str, str]
    """The settings that name authorities, certificate and key."""
    authorities: str | None = None
    certificate: str | None = None
    key: str | None = None
    serves: bool = False
    """Whether the context is a server's."""
    context: ssl.SSLContext = field(init=False)
    _versions: tuple[object, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Read the files. Raise ``ConnectionFault``."""
        if bool(self.certificate) != bool(self.key):
            raise ConnectionFault(f"{self.settings[1]} and {self.settings[2]} belong together, and one is missing")
        self._versions = self._stamps()
        self.context = self._load(self._new())

    def look(self) -> bool:
        """Read the files again where they have changed; return whether they had. Raise ``ConnectionFault``.

        The files are tried on a context of their own first: a key that does not fit would spoil the one in use.
        """
        versions = self._stamps()
        if versions == self._versions:
            return False
        self._load(self._new())
        self._load(self.context)
        self._versions = versions
        return True

    def days_left(self, now: datetime) -> float | None:
        """Return for how many days the certificate in use is valid; None where there is none."""
        if self.certificate is None:
            return None
        try:
            read = x509.load_pem_x509_certificates(Path(self.certificate).read_bytes())
        except (OSError, ValueError):
            return None
        return min((certificate.not_valid_after_utc - now).total_seconds() for certificate in read) / DAY_SECONDS

    def _new(self) -> ssl.SSLContext:
        if self.serves:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        elif self.authorities:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks certificates and host names
        else:
            context = ssl.create_default_context()  # as well, and it trusts what this machine trusts
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        if self.authorities:
            try:
                context.load_verify_locations(self._readable(0, self.authorities))
            except ssl.SSLError:
                raise ConnectionFault(f"{self.settings[0]} names a file without certificates in PEM") from None
        if self.certificate and self.key:
            self._readable(1, self.certificate)
            self._readable(2, self.key)
            try:
                # with a password, if an empty one, an encrypted key is refused; without, OpenSSL asks at the terminal
                context.load_cert_chain(self.certificate, self.key, password="")
            except ssl.SSLError:
                faults = f"{self.settings[1]} and {self.settings[2]} are no certificate with its key, both in PEM"
                raise ConnectionFault(faults) from None
        return context

    def _readable(self, place: int, file: str | None) -> str | None:
        try:
            if file is not None:
                Path(file).read_bytes()
        except OSError as error:
            raise ConnectionFault(
                f"{self.settings[place]} names {file}, which cannot be read: {error.strerror}"
            ) from None
        return file

    def _stamps(self) -> tuple[object, ...]:
        return tuple(_stamp(file) for file in (self.authorities, self.certificate, self.key) if file)


class TlsWatch:
    """Looks at all files of a process, and reports what cannot be used and what expires soon."""

    def __init__(self, files: Sequence[TlsFiles], readiness: Readiness, now: Callable[[], float] = time.time) -> None:
        self._files = files
        self._readiness = readiness
        self._now = now
        self._left: dict[str, float] = {}
        if files:
            readiness.facts["certificates"] = lambda: {name: {"days_left": left} for name, left in self._left.items()}
        self.look()

    async def run(self) -> None:
        """Look every ``LOOK_SECONDS`` until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()  # not in a thread: what it reports is read by requests, and the files are small

    def look(self) -> None:
        for files in self._files:
            key = f"tls:{files.name}"
            try:
                if files.look():
                    log.info("certificates were read again", connection=files.name)
                self._readiness.clear(key)
            except ConnectionFault as fault:
                self._readiness.report(key, f"{fault}; what was read before is still used for {files.name}")
            else:
                self._report_end(files)

    def _report_end(self, files: TlsFiles) -> None:
        left = files.days_left(datetime.fromtimestamp(self._now(), UTC))
        if left is None:
            return
        self._left[files.name] = round(left, 1)
        key = f"tls-expires:{files.name}"
        if left < 0:
            self._readiness.report(key, f"the certificate for {files.name} has expired: renew {files.settings[1]}")
        elif left < SOON_DAYS:
            sentence = f"the certificate for {files.name} expires in {left:.1f} days: renew {files.settings[1]}"
            self._readiness.report(key, sentence)
        else:
            self._readiness.clear(key)


def _stamp(file: str) -> object:
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
