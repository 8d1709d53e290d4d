"""A copy of the last good policy, outside the container, with which a restart goes on if the file is broken."""

from dataclasses import dataclass, field
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from services._policy.files import File, Files
from services._policy.reasons import sentence_of

VERSION = 1


class Keeper(Protocol):
    """Stores the copy and reads it back."""

    async def kept(self) -> bytes | None: ...

    async def keep(self, copy: bytes) -> None: ...


class _File(BaseModel):
    name: str
    text: str


class _Copy(BaseModel):
    model_config = ConfigDict(extra="ignore")

    schema_version: int = VERSION
    location: str
    loaded_at: float
    directory: bool
    files: tuple[_File, ...]
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A policy that was in force, where it was read, and when (epoch seconds)."""

    location: str
    loaded_at: float
    files: Files


def as_bytes(kept: Kept) -> bytes:
    files = tuple(_File(name=file.name, text=file.content.decode()) for file in kept.files.files)
    copy = _Copy(
        location=kept.location,
        loaded_at=kept.loaded_at,
        directory=kept.files.directory,
        files=files,
        signature=kept.files.signature,
    )
    return copy.model_dump_json().encode()


def from_bytes(data: bytes) -> Kept | None:
    """Read a copy; None if it cannot be read, or if a newer version wrote it."""
    try:
        copy = _Copy.model_validate_json(data)
    except ValidationError:
        return None
    if copy.schema_version > VERSION:
        return None
    files = tuple(File(file.name, file.text.encode()) for file in copy.files)
    return Kept(location=copy.location, loaded_at=copy.loaded_at, files=Files(files, copy.directory, copy.signature))


@dataclass
class LastGood:
    """The copy of the policy in force. While its keeper is away, the newest copy waits for another attempt."""

    keeper: Keeper
    _unkept: Kept | None = field(default=None, init=False)
    """A copy that could not be stored yet."""

    async def of(self, location: str) -> Kept | None:
        """Return the copy of the policy that was read at ``location``; None if there is none."""
        held = await self.keeper.kept()
        kept = None if held is None else from_bytes(held)
        return kept if kept is not None and kept.location == location else None

    def replace(self, kept: Kept) -> None:
        """Take another copy in place of the last one; ``store`` stores it."""
        self._unkept = kept

    async def store(self) -> str | None:
        """Store what is not stored yet; return why that failed."""
        if self._unkept is None:
            return None
        try:
            await self.keeper.keep(as_bytes(self._unkept))
        except Exception as error:  # noqa: BLE001  a store that is away must not stop a reload
            return f"the copy of {self._unkept.location} for a restart could not be stored: {sentence_of(error)}"
        self._unkept = None
        return None
