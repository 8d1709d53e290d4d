"""Reads a policy from a path or from S3. Each way to fail has a sentence of its own."""

import asyncio
import re
import stat
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004  botocore's name

from services._policy.files import File, Files
from services._policy.parse import MOST_BYTES

MOST_FILES = 200
S3 = "s3://"
SIGNATURE = ".sig"
"""Ending of the file with the signature of a policy file; in a directory it is the name of that file."""
LONGEST_SIGNATURE = 4096
"""Bytes of a signature's file."""
_PLAIN = re.compile(r"[A-Za-z0-9._-]+")
_BACKUPS = (".bak", ".orig", ".old", ".tmp", ".swp", "~")


class Unreadable(Exception):
    """The policy cannot be read now; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one read of the policy's location found."""

    files: Files
    inode: int | None = None
    """Inode of the file or directory. It shows that a container still sees a file that was replaced outside."""
    version: str | None = None
    """The object's version in S3."""


class Reader(Protocol):
    @property
    def location(self) -> str:
        """The location, as ``SUREFOOT_POLICY`` names it."""
        ...

    async def read(self) -> Found:
        """Return what lies at the location now. Raise ``Unreadable``."""
        ...


@dataclass(frozen=True, slots=True)
class PathReader:
    """Reads a file, or the ``*.yaml`` and ``*.yml`` of a directory."""

    location: str

    async def read(self) -> Found:
        return await asyncio.to_thread(read_path, self.location)


def read_path(location: str) -> Found:
    """Read a file or a directory. Raise ``Unreadable``."""
    path = Path(location)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return Found(Files(tuple(_directory(path)), True, _signature(path)), status.st_ino)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(f"{location} is neither a file nor a directory")
        return Found(Files((File(location, _content(path)),), signature=_signature(path)), status.st_ino)
    except FileNotFoundError as error:
        missing = str(error.filename or location)
        raise Unreadable(f"{missing} is not there: mount the policy's directory, or correct SUREFOOT_POLICY") from None
    except PermissionError as error:
        raise Unreadable(f"{error.filename or location} may not be read by this process: correct its mode") from None
    except OSError as error:
        raise Unreadable(f"{error.filename or location} cannot be read: {error.strerror}") from None
    except ValueError:
        raise Unreadable("SUREFOOT_POLICY is no path") from None


def signature_path(path: Path) -> Path:
    """Return where the signature of a policy lies: ``policy.yaml.sig``, or ``.sig`` in a directory."""
    return path / SIGNATURE if path.is_dir() else path.with_name(path.name + SIGNATURE)


def _signature(path: Path) -> str:
    try:
        with signature_path(path).open("rb") as file:
            return file.read(LONGEST_SIGNATURE).decode(errors="replace")
    except OSError:
        return ""


def _directory(path: Path) -> Iterator[File]:
    """Return the policy files of a directory in the order of their names; links are followed.

    Names are plain, since the digest, and so the signature, is that of lines with them.
    """
    names = sorted(file.name for file in path.iterdir() if _counts(file.name) and file.is_file())
    if not names:
        raise Unreadable(f"{path} has no *.yaml and no *.yml")
    if len(names) > MOST_FILES:
        raise Unreadable(f"{path} has {len(names)} policy files; {MOST_FILES} are allowed")
    total = 0
    odd = next((name for name in names if not _PLAIN.fullmatch(name)), None)
    if odd is not None:
        raise Unreadable(f"{path} has a policy file {odd!r}: names may have letters, digits, and ._- only; rename it")
    for name in names:
        content = _content(path / name)
        total += len(content)
        if total > MOST_BYTES:
            raise Unreadable(f"the policy files of {path} have more than {MOST_BYTES} bytes together")
        yield File(str(path / name), content)


def _counts(name: str) -> bool:
    """Return whether a file is a policy: hidden files, and copies that an editor or a merge left behind, are not."""
    stem, dot, ending = name.rpartition(".")
    return (
        bool(dot) and ending in {"yaml", "yml"} and not name.startswith((".", "#", "~")) and not stem.endswith(_BACKUPS)
    )


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise Unreadable(f"{path} has more than {MOST_BYTES} bytes")
    return content


Call = Callable[..., Awaitable[dict[str, Any]]]
"""``(service, operation, **parameters)``: one call of AWS; botocore's errors pass through."""


class _Absent(Unreadable):
    """The object is not there, or S3 does not say whether it is."""


@dataclass(frozen=True, slots=True)
class _Object:
    """An object of S3 as it was read last."""

    content: bytes
    etag: str | None
    version: str | None


class S3Reader:
    """Reads one object, by one conditional GET each time: an unchanged object is not sent again."""

    def __init__(self, location: str, call: Call, owner: str, *, signed: bool = False) -> None:
        """``owner``: the account that must own the bucket. ``signed``: read the signature beside the object, too."""
        self.location = location
        self._bucket, _, self._key = location.removeprefix(S3).partition("/")
        self._call = call
        self._owner = owner
        self._signed = signed
        self._read: dict[str, _Object] = {}
        if not self._bucket or not self._key:
            raise Unreadable(f"{location} names no object: write s3://BUCKET/KEY")

    async def read(self) -> Found:
        policy = await self._object(self._key, MOST_BYTES)
        if len(policy.content) > MOST_BYTES:
            raise Unreadable(f"{self.location} has more than {MOST_BYTES} bytes")
        if policy.version in {None, "null"}:
            raise Unreadable(
                f"the bucket of {self.location} keeps no versions, so that nobody could tell which policy was in "
                "force: switch versioning on, and upload the policy again"
            )
        signature = await self._signature() if self._signed else ""
        return Found(Files((File(self.location, policy.content),), signature=signature), version=policy.version)

    async def _signature(self) -> str:
        """Return the signature, or nothing: a policy without one says by itself what is wrong with it."""
        try:
            found = await self._object(self._key + SIGNATURE, LONGEST_SIGNATURE)
        except _Absent:
            return ""
        return found.content.decode(errors="replace")

    async def _object(self, key: str, most: int) -> _Object:
        """Return an object; of a larger one than ``most`` bytes, one byte more than that. Raise ``Unreadable``."""
        last = self._read.get(key)
        known = {"IfNoneMatch": last.etag} if last is not None and last.etag else {}
        where = {"Bucket": self._bucket, "Key": key, "ExpectedBucketOwner": self._owner}
        try:
            answer = await self._call("s3", "get_object", **where, **known)
            content = await asyncio.to_thread(answer["Body"].read, most + 1)
        except ClientError as error:
            if _status(error) == 304 and last is not None:
                return last
            raise (_Absent if _status(error) in {403, 404} else Unreadable)(self._why(error)) from None
        except (ConnectionError, HTTPClientError):
            raise Unreadable(f"S3 did not answer in time about {self.location}") from None
        except BotoCoreError as error:
            raise Unreadable(f"S3 cannot be asked about {self.location}: {type(error).__name__}") from None
        self._read[key] = _Object(content, answer.get("ETag"), answer.get("VersionId"))
        return self._read[key]

    def _why(self, error: ClientError) -> str:
        status, headers = _status(error), error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if status == 403:
            return (
                f"S3 refuses {self.location} (403): allow s3:GetObject on it; without s3:ListBucket on the bucket "
                "S3 also answers so when there is no such object, and so it does where the bucket is not of account "
                f"{self._owner} (SUREFOOT_POLICY_OWNER names another)"
            )
        if headers.get("x-amz-delete-marker") == "true":
            return f"{self.location} was deleted (its newest version is a delete marker): put it back"
        if status == 404:
            return f"{self.location} is not there (404, {code}): correct SUREFOOT_POLICY, or upload it"
        return f"S3 answered {code} about {self.location}"


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def reader_of(location: str, call: Call, owner: str, *, signed: bool = False) -> Reader:
    """Return the reader of ``SUREFOOT_POLICY``. Raise ``Unreadable`` for an S3 address without bucket or key."""
    return S3Reader(location, call, owner, signed=signed) if location.startswith(S3) else PathReader(location)
