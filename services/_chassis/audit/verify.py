"""Checks the signature of an audit record against the trusted keys."""

from contracts.audit import AuditRecord
from contracts.audit_chain import Check
from services._chassis.signatures import Signatures, Trust, Untrusted


def check_with(trust: Trust) -> Check:
    """Return what says what is wrong with a record's signature; nothing where signatures are off."""

    def check(record: AuditRecord, signed: bytes) -> str:
        if trust.mode is Signatures.OFF:
            return ""
        if not record.signature:
            return "it is not signed" if trust.demands else ""
        try:
            key = trust.signer_of(record.signature.encode(), signed)
        except Untrusted as error:
            return str(error)
        if key.party != record.service:
            return f"{key.named} has signed it, and it is in a chain of {record.service}"
        if key.until is not None and record.time > key.until:
            return f"the key {key.id} of {key.named} was retired before it was written"
        return ""

    return check
