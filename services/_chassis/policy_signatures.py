"""Signatures of policies: somebody who may has signed the policy, by a line in a file beside it.

``KEY:MOMENT:SIGNATURE`` is the key's id, when it was signed, and an Ed25519 signature in base64 of the lines ``FORM``,
moment, ``file`` or ``directory``, and the policy's digest, each with its end.
"""

import base64
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services._chassis.signing_keys import TrustedKey, key_id
from services._policy.files import Files
from services._policy.read import Unreadable

FORM = "surefoot-policy-1"
AHEAD = timedelta(minutes=5)
"""How far the clock of whoever signs may be ahead of ours."""
_LINE = re.compile(r"([0-9a-f]{16}):([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z):([A-Za-z0-9+/]{86}==)\n?")


def sign(files: Files, private: Ed25519PrivateKey, now: datetime) -> str:
    """Return the content of the signature's file."""
    moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    signature = base64.b64encode(private.sign(_signed(files, moment))).decode()
    return f"{key_id(private.public_key())}:{moment}:{signature}\n"


def verifier(
    holders: Collection[str], keys: Callable[[], Mapping[str, TrustedKey]], now: Callable[[], datetime]
) -> Callable[[Files], float]:
    """Return what checks that one of ``holders`` has signed, as ``surefoot signing-keys list`` names them.

    It returns when, in epoch seconds, and raises ``Unreadable`` with a sentence.
    """

    def verify(files: Files) -> float:
        who = " or ".join(sorted(holders))
        if not files.signature:
            raise Unreadable(f"it is not signed, and {who} must have signed it: surefoot policy sign")
        found = _LINE.fullmatch(files.signature)
        if found is None:
            raise Unreadable("its signature cannot be read: surefoot policy sign writes one")
        key = keys().get(found[1])
        if key is None or key.named not in holders:
            raise Unreadable(f"it is signed by the key {found[1]}, which is not a trusted one of {who}")
        try:
            at = datetime.strptime(found[2], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            key.public.verify(base64.b64decode(found[3]), _signed(files, found[2]))
        except (InvalidSignature, ValueError):
            raise Unreadable("its signature does not fit it: it was changed after it was signed") from None
        if key.until is not None and at >= key.until:
            raise Unreadable(f"it was signed by a key of {key.named} that had been retired")
        if at > now() + AHEAD:
            raise Unreadable("its signature is of a time to come: correct the clock, and sign it again")
        return at.timestamp()

    return verify


def _signed(files: Files, moment: str) -> bytes:
    kind = "directory" if files.directory else "file"
    return f"{FORM}\n{moment}\n{kind}\n{files.digest}\n".encode()
