"""Signs what an outside party publishes, and proves what it reads, by the settings that the services have as well."""

from collections.abc import Mapping
from pathlib import Path

from contracts.envelope import Envelope, Message, decode, read_meta
from contracts.topics import Party
from services._chassis.signatures import UNSIGNED, Received, Signatures, Signer, Trust
from services._chassis.signing_keys import KeyFault, read_private, read_trusted
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo


def trust_of(environment: Mapping[str, str]) -> Trust:
    """Return what is believed by the services' own settings; everything where ``SUREFOOT_TRUSTED_KEYS`` is not set.

    Raise ``CannotDo`` where the keys cannot be read, or signatures are demanded by name and there are no keys.
    """
    path = environment.get("SUREFOOT_TRUSTED_KEYS")
    mode = environment.get("SUREFOOT_SIGNATURES") or Signatures.DEMANDED
    if not path and environment.get("SUREFOOT_SIGNATURES") == Signatures.DEMANDED:
        raise CannotDo(
            "SUREFOOT_SIGNATURES=demanded needs SUREFOOT_TRUSTED_KEYS, the file of the public keys", Exit.USAGE
        )
    if not path or mode == Signatures.OFF:
        return UNSIGNED.trust
    try:
        keys = read_trusted(Path(path))
        return Trust(Signatures(mode), lambda: keys)
    except KeyFault as fault:
        raise CannotDo(f"{fault}; SUREFOOT_TRUSTED_KEYS names it", Exit.USAGE) from fault
    except ValueError:
        raise CannotDo(f"SUREFOOT_SIGNATURES is one of {', '.join(Signatures)}", Exit.USAGE) from None


def proven(record: Received, trust: Trust) -> Envelope:
    """Return the event of a record. Raise ``InvalidMessage`` where it cannot be read, or is not from who may say it."""
    type_, meta = read_meta(record.headers)
    return decode(type_, trust.prove(record, type_, meta), record.value)


def signed(message: Message, party: Party, environment: Mapping[str, str]) -> Message:
    """Return the message with the party's signature; as it is where ``SUREFOOT_SIGNING_KEY`` is not set.

    Raise ``CannotDo`` where the key cannot be read.
    """
    signer = _signer(party, environment)
    return signer.sign(message) if signer else message


def signature_of(content: bytes, party: Party, environment: Mapping[str, str]) -> bytes | None:
    """Return the party's signature of bytes; None where ``SUREFOOT_SIGNING_KEY`` is not set. Raise ``CannotDo``."""
    signer = _signer(party, environment)
    return signer.signature_of(content) if signer else None


def _signer(party: Party, environment: Mapping[str, str]) -> Signer | None:
    path = environment.get("SUREFOOT_SIGNING_KEY")
    if not path:
        return None
    try:
        return Signer(read_private(Path(path.replace("{party}", party))))
    except KeyFault as fault:
        raise CannotDo(f"{fault}; SUREFOOT_SIGNING_KEY names it", Exit.USAGE) from fault
