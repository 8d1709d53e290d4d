"""Policies that have to be signed are taken in the order of their signatures, so that nobody puts an old one back."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from services._policy.files import Files
from services._policy.read import Unreadable

Verify = Callable[[Files], float]
"""Returns when a policy was signed, in epoch seconds; raises ``Unreadable`` where it is not signed as is demanded."""


@dataclass
class SigningOrder:
    """Knows when the policy in force was signed, and refuses what was signed before it."""

    verify: Verify | None
    """None: policies need no signature."""
    signed_at: float = 0.0
    """When the policy in force was signed, in epoch seconds; 0 where no signature is demanded."""

    def check(self, files: Files) -> float:
        """Return when the files were signed. Raise ``Unreadable`` where they are not signed as is demanded."""
        signed_at = self.verify(files) if self.verify is not None else 0.0
        if signed_at < self.signed_at:
            raise Unreadable("it was signed before the policy in force: to go back to it, sign it again")
        return signed_at

    def accept(self, files: Files) -> None:
        """Take the files for those in force. Raise ``Unreadable`` as ``check`` does."""
        self.signed_at = self.check(files)

    def begin_with(self, kept: Files) -> None:
        """Refuse from now on what was signed before the kept copy, if the copy is signed as is demanded."""
        with suppress(Unreadable):
            self.accept(kept)
