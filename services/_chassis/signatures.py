"""Signs what a service publishes, and decides which messages are believed (docs/adr/0026).

Keys are Ed25519. A service holds one private key, its own; of the others it knows the public keys only, from one file
that lists who holds which. Nothing here talks to Kafka or Redis.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.dead_letter import REPLAY_SIGNATURE_HEADER, RULE, Replay
from contracts.envelope import InvalidMessage, Message, Meta
from contracts.monitor import WarningAlert
from contracts.results import StepFinished, StepProgressed
from contracts.signatures import (
    SIGNATURE_HEADER,
    Signature,
    asked_service,
    replay_bytes,
    signed_bytes,
    source_fits,
    writers_of,
)
from contracts.topics import SERVICES, Party
from services._chassis.signing_keys import TrustedKey, key_id


class Untrusted(InvalidMessage):
    """A message that nobody has proven to have written who may write it. The text does not quote the message."""


class Signatures(StrEnum):
    """What is asked of a message (``SUREFOOT_SIGNATURES``)."""

    OFF = "off"
    """Nothing is signed, and every message is believed."""
    ACCEPTED = "accepted"
    """Signatures are made, and those that are there must hold; a message without one is believed. For the time in
    which not all writers sign yet."""
    DEMANDED = "demanded"
    """A message without a signature is not believed."""


class Received(Protocol):
    """A message as Kafka gives it."""

    @property
    def topic(self) -> Any: ...
    @property
    def key(self) -> Any: ...
    @property
    def value(self) -> Any: ...
    @property
    def headers(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with the private key of one service, or of an outside party."""

    private: Ed25519PrivateKey

    @property
    def key_id(self) -> str:
        return key_id(self.private.public_key())

    def sign(self, message: Message) -> Message:
        """Return the message with its signature; one that it had before is replaced."""
        signature = self.signature_of(signed_bytes(message.topic, message.key, message.headers, message.value))
        kept = (header for header in message.headers if header[0] != SIGNATURE_HEADER)
        return replace(message, headers=(*kept, (SIGNATURE_HEADER, signature)))

    def signature_of(self, content: bytes) -> bytes:
        """Return ``KEY:SIGNATURE`` of bytes that begin with what they are (``contracts.signatures.joined_parts``)."""
        return Signature(self.key_id, self.private.sign(content)).header


@dataclass(frozen=True, slots=True)
class Trust:
    """Decides whether a message is believed."""

    mode: Signatures
    keys: Callable[[], Mapping[str, TrustedKey]]
    """Returns the trusted keys of now, by id."""

    @property
    def demands(self) -> bool:
        return self.mode is Signatures.DEMANDED

    @property
    def accepts(self) -> bool:
        """Return whether a message without a signature is believed until all writers sign."""
        return self.mode is Signatures.ACCEPTED

    def prove(self, record: Received, type_: str, meta: Meta) -> Meta:
        """Return the attributes with who has proven to have written them. Raise ``Untrusted``.

        Whoever signs must be a writer of ``type_`` on this topic by the catalogue, and call itself what it is.
        """
        if self.mode is Signatures.OFF:
            return meta
        key = self._signer(record)
        if key is None:
            return meta
        if key.party not in writers_of(type_, record.topic):
            raise Untrusted(f"{key.named} may not write this type on {record.topic}")
        if not source_fits(key.party, meta.source):
            raise Untrusted(f"its source is not what {key.named} may call itself")
        if key.until is not None and meta.time > key.until:
            raise Untrusted(f"the key {key.id} of {key.named} was retired before this was published")
        return replace(meta, signed_by=key.named)

    def prove_content(self, event: object, meta: Meta) -> None:
        """Raise ``Untrusted`` where a writer of the type may not write this content.

        An answer counts from the service that was asked. Of warnings monitor alone writes those of the rules; the
        others raise those of their dead letters, and the operators who settle these resolve them.
        """
        if not meta.signed_by:
            return
        if isinstance(event, StepFinished | StepProgressed):
            asked = asked_service(event.step)
            if asked is not None and meta.signed_by != asked:
                raise Untrusted(f"{meta.signed_by} answers a command that goes to {asked}")
        if isinstance(event, WarningAlert) and meta.signed_by != Party.MONITOR:
            state = "raised" if meta.signed_by in SERVICES else "resolved"
            if (event.rule, event.state) != (RULE, state):
                raise Untrusted(f"{meta.signed_by} writes a warning that is not its own")

    def signature_on(self, record: Received) -> bytes | None:
        """Return the signature that a message carries. Raise ``Untrusted`` where it has none and one is demanded.

        It is asked before anything else of a message is read: whoever may write to a topic can send many without one.
        """
        given: bytes | None = dict(record.headers).get(SIGNATURE_HEADER)
        if given is None and self.demands:
            raise Untrusted("it is not signed")
        return given

    def _signer(self, record: Received) -> TrustedKey | None:
        """Return the key that has signed the message; None where it may be unsigned."""
        given = self.signature_on(record)
        if given is None:
            return None
        return self.signer_of(given, signed_bytes(record.topic, record.key, record.headers, record.value))

    def replayed_by(self, record: Received, replay: Replay) -> TrustedKey | None:
        """Return the operators' key that has signed a replay of a dead letter; None where none has."""
        given: bytes | None = dict(record.headers).get(REPLAY_SIGNATURE_HEADER)
        if given is None or self.mode is Signatures.OFF:
            return None
        try:
            key = self.signer_of(given, replay_bytes(record.topic, record.key, record.headers, record.value))
        except Untrusted:
            return None
        retired = key.until is not None and replay.time > key.until
        return key if key.party is Party.OPERATORS and not retired else None

    def signer_of(self, given: bytes, content: bytes) -> TrustedKey:
        """Return the key that has made the signature ``given`` (``KEY:SIGNATURE``) of ``content``.

        Raise ``Untrusted``. Whether its holder may sign this, and whether it was retired before, the caller decides.
        """
        try:
            signature = Signature.parse(given)
        except ValueError:
            raise Untrusted("its signature is no KEY:SIGNATURE") from None
        key = self.keys().get(signature.key_id)
        if key is None:
            raise Untrusted("the key that it is signed with is not trusted here")
        try:
            key.public.verify(signature.signature, content)
        except InvalidSignature:
            raise Untrusted(f"the signature with the key {key.id} of {key.named} does not fit its content") from None
        return key


@dataclass(frozen=True, slots=True)
class Identity:
    """What a service is to the others: how it signs, and what it believes."""

    trust: Trust
    signer: Signer | None = None
    """None: it signs nothing."""

    def sign(self, message: Message) -> Message:
        return message if self.signer is None else self.signer.sign(message)


UNSIGNED = Identity(Trust(Signatures.OFF, dict))
