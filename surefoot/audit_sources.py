"""Where audit records are read: their topic, S3, or files of JSON lines."""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

from contracts.audit_chain import LARGEST_OBJECT, LONGEST_LINE, Line
from contracts.topics import AUDIT
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo

S3 = "s3://"
ENDING = ".jsonl"
AT_A_TIME = 500
"""Records of the topic that are in memory together."""


def read(source: str | None) -> Iterable[Line]:
    """Return the lines of ``s3://bucket/prefix``, of a file or directory, or of the topic. Raise ``CannotDo``."""
    if source is None:
        return _of_topic()
    return _of_s3(source) if source.startswith(S3) else _of_files(Path(source))


def _of_topic() -> Iterator[Line]:
    from surefoot.whole_topic import records_of  # noqa: PLC0415  files and S3 need no Kafka

    with asyncio.Runner() as runner:
        records = records_of(AUDIT)
        while found := runner.run(_next(records)):
            for record in found:
                yield Line(record.value or b"", f"{record.topic}/{record.partition}/{record.offset}")


async def _next(records: AsyncIterator[Any]) -> list[Any]:
    """Return the next records, none at the end."""
    found: list[Any] = []
    async for record in records:
        found.append(record)
        if len(found) == AT_A_TIME:
            break
    return found


def _of_files(path: Path) -> Iterator[Line]:
    found = sorted(path.rglob(f"*{ENDING}")) if path.is_dir() else [path]
    if not found:
        raise CannotDo(f"{path} has no file *{ENDING}", Exit.USAGE)
    for file in found:
        try:
            with file.open("rb") as opened:
                yield from _lines(opened, str(file))
        except OSError as error:
            raise CannotDo(f"{file} cannot be read: {error.strerror}", Exit.USAGE) from None


def _of_s3(location: str) -> Iterator[Line]:
    import boto3  # noqa: PLC0415  the topic and files need no AWS
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    bucket, _, prefix = location.removeprefix(S3).partition("/")
    owner = {"ExpectedBucketOwner": held} if (held := os.environ.get("AUDIT_BUCKET_OWNER")) else {}
    try:
        s3: Any = boto3.client("s3", region_name=os.environ.get("AWS_REGION"))
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix or "audit/", **owner)
        for stored in (stored for page in pages for stored in page.get("Contents", ())):
            key = stored["Key"]
            if not key.endswith(ENDING):
                continue
            if stored["Size"] > LARGEST_OBJECT:
                raise CannotDo(f"{S3}{bucket}/{key} is larger than any object of the audit", Exit.FAILED)
            body = s3.get_object(Bucket=bucket, Key=key, **owner)["Body"]
            yield from _lines(io.BufferedReader(body), f"{S3}{bucket}/{key}")
    except (ClientError, BotoCoreError) as error:
        why = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        fault = f"{location} cannot be read ({why}): the caller needs to list and to get its objects"
        raise CannotDo(fault, Exit.FAILED) from None


def _lines(opened: io.BufferedReader, source: str) -> Iterator[Line]:
    """Yield the lines with their numbers; one that is too long is read in parts, each of which is no record."""
    for number, line in enumerate(iter(lambda: opened.readline(LONGEST_LINE + 1), b""), 1):
        if data := line.rstrip(b"\r\n"):
            yield Line(data, f"{source}:{number}", source)
