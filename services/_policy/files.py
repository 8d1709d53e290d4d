"""The files of a policy as one read found them, and their digest."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class File:
    """A policy file: its name as faults show it, and its content."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Files:
    """One snapshot of a file or a directory; no files at all are an installation without a policy."""

    files: tuple[File, ...] = ()
    directory: bool = False
    signature: str = ""
    """The content of the signature's file, which lies beside the policy; empty without one. No part of the digest."""

    @property
    def digest(self) -> str:
        """Return what ``sha256sum FILE`` prints; for a directory, the digest of those lines in the order of names."""
        sums = {file.name.rpartition("/")[2]: hashlib.sha256(file.content).hexdigest() for file in self.files}
        if not self.directory:
            return next(iter(sums.values()), "")
        lines = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
        return hashlib.sha256(lines.encode()).hexdigest()
