"""Keys of every party, and messages as Kafka gives them, for the tests of who is believed."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from aiokafka.structs import ConsumerRecord
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.catalogue import Entry
from contracts.envelope import Message
from contracts.publish import examples_of
from contracts.signatures import OPERATORS_SOURCE
from contracts.topics import SERVICES, Party
from services._chassis.signatures import Signatures, Signer, Trust
from services._chassis.signing_keys import SIGNING, TrustedKey

TARGET_KEY = b"123456789012/us-west-2/c/s"


@dataclass
class Keys:
    """A key for each party that signs, and who trusts them all."""

    signers: dict[Party, Signer] = field(
        default_factory=lambda: {party: Signer(Ed25519PrivateKey.generate()) for party in SIGNING}
    )

    @property
    def trusted(self) -> dict[str, TrustedKey]:
        keys = (TrustedKey(party, signer.private.public_key()) for party, signer in self.signers.items())
        return {key.id: key for key in keys}

    def trust(self, mode: Signatures = Signatures.DEMANDED) -> Trust:
        return Trust(mode, lambda: self.trusted)

    def signed(self, message: Message, party: Party) -> Message:
        return self.signers[party].sign(message)


def source_of(party: Party) -> str:
    """Return what a party calls itself."""
    if party in SERVICES:
        return f"surefoot/{party}"
    return OPERATORS_SOURCE if party is Party.OPERATORS else "my-pipeline"


def message_of(entry: Entry, party: Party, **changed: str) -> Message:
    """Return the published example of a type as ``party`` writes it; ``changed`` are headers without ``ce_``."""
    headers = {
        "specversion": "1.0",
        "id": "7",
        "source": source_of(party),
        "type": entry.type,
        "time": datetime.now(UTC).isoformat(),
        **changed,
    }
    encoded = tuple((f"ce_{name}", text.encode()) for name, text in headers.items())
    return Message(entry.topic.name, TARGET_KEY, encoded, examples_of(entry.type)[0].encode())


def record_of(message: Message, offset: int = 0, **changed: Any) -> ConsumerRecord[Any, Any]:
    message = replace(message, **changed)
    return ConsumerRecord(
        message.topic, 3, offset, 0, 0, message.key, message.value, None, 0, 0, tuple(message.headers)
    )
