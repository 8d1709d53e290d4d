"""A copy of the last good policy, outside the container, with which a restart goes on if the file is broken."""

from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from services._policy.load import File, Files

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
