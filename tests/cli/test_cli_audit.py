"""``surefoot audit``: what it finds in files, in S3 and on the topic, and how it says so."""

import asyncio
import gc
import io
import sqlite3
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest

from contracts.audit import Act, AuditRecord
from contracts.audit_chain import LARGEST_OBJECT, Line, read_record
from contracts.audit_places import Places
from surefoot import audit_sources, cli
from surefoot.audit_found import Found
from surefoot.exit_codes import Exit
from tests.chassis.harness import send
from tests.security.audit import Audit

ACTS = (Act.TARGET_ARMED, Act.CHANGE_APPLIED, Act.REQUEST_REFUSED)


@pytest.fixture
def lines() -> list[bytes]:
    return asyncio.run(Audit().sealed(*ACTS))


@pytest.fixture
def directory(tmp_path: Path, lines: list[bytes]) -> Path:
    for number, part in enumerate((lines[:2], lines[2:])):
        file = tmp_path / "audit" / "recovery" / f"{number}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"".join(line + b"\n" for line in part))
    return tmp_path


def test_a_directory_that_is_whole_verifies(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["audit", "verify", str(directory)]) == Exit.SUCCEEDED
    out, err = capsys.readouterr()
    assert "4 records" in out
    assert "Signatures were not demanded" in err
    assert cli.run(["audit", "verify", str(directory), "--json"]) == Exit.SUCCEEDED
    (end,) = orjson.loads(capsys.readouterr().out)["ends"]
    assert (end["service"], end["sequence"]) == ("recovery", 4)


def test_what_was_removed_or_changed_is_said_in_a_sentence(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = directory / "audit" / "recovery" / "1.jsonl"
    whole = last.read_bytes()
    last.write_bytes(whole.replace(b'"outcome":"done"', b'"outcome":"fine"', 1))
    assert cli.run(["audit", "verify", str(directory)]) == Exit.FAILED
    err = capsys.readouterr().err
    assert "the audit has 1 fault" in err
    assert "does not follow record 3" in err
    (directory / "audit" / "recovery" / "0.jsonl").unlink()
    last.write_bytes(whole)
    assert cli.run(["audit", "verify", str(directory)]) == Exit.FAILED
    assert "all before record 3" in capsys.readouterr().err
    assert cli.run(["audit", "verify", str(directory), "--since", "2026-01-01"]) == Exit.SUCCEEDED
    last.write_bytes(b"\x1b[2J" + b"x" * 600_000)
    assert cli.run(["audit", "verify", str(directory)]) == Exit.FAILED
    assert "\x1b[2J" not in "".join(capsys.readouterr())


def test_a_disk_without_room_for_what_is_compared_is_told(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Places, "add", add)
    monkeypatch.setattr(Found, "add", add)
    for verb in ("verify", "list"):
        assert cli.run(["audit", verb, str(directory)]) == Exit.FAILED
        assert "there is no room for temporary files (database or disk is full)" in capsys.readouterr().err


def test_records_are_listed_and_printed_as_they_were_written(
    directory: Path, lines: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["audit", "list", str(directory), "--json"]) == Exit.SUCCEEDED
    printed = capsys.readouterr().out.encode().splitlines()
    assert printed == lines
    assert cli.run(["audit", "list", str(directory), "--refused", "--actor", "recovery", "--json"]) == Exit.SUCCEEDED
    (found,) = capsys.readouterr().out.encode().splitlines()
    assert read_record(found).act == Act.REQUEST_REFUSED
    assert cli.run(["audit", "list", str(directory), "--target", "c/s", "--act", "change-applied"]) == Exit.SUCCEEDED
    assert capsys.readouterr().out.count("\n") == 2
    assert cli.run(["audit", "list", str(directory), "--service", "health"]) == Exit.SUCCEEDED
    assert "nothing is recorded" in capsys.readouterr().out


class Written(bytes):
    """A line that the garbage collector can count."""


def test_no_more_of_an_audit_is_held_than_what_is_looked_at(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An audit of years is larger than a memory. Here the oldest record comes last, and each twice."""
    record = AuditRecord.model_validate_json(asyncio.run(Audit().sealed(Act.CHANGE_APPLIED))[-1])
    held: list[int] = []

    def lines(_: object) -> Iterator[Line]:
        for number in range(60, 0, -1):
            other = record.model_copy(update={"sequence": number, "time": record.time + timedelta(seconds=number)})
            for _ in range(2):
                yield Line(Written(other.model_dump_json().encode()), "here")
        held.append(sum(isinstance(each, Written | AuditRecord) for each in gc.get_objects()))

    monkeypatch.setattr(audit_sources, "read", lines)
    assert cli.run(["audit", "list", "anywhere"]) == Exit.SUCCEEDED
    _, *rows = capsys.readouterr().out.splitlines()
    assert (len(rows), rows) == (60, sorted(rows))
    assert held[0] < 10


def test_a_forged_record_cannot_begin_a_line_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = asyncio.run(Audit().sealed(Act.CHANGE_APPLIED))[-1]
    record = AuditRecord.model_validate_json(line).model_copy(update={"act": "x\n2026-01-01 forged\x1b[2J"})
    (tmp_path / "a.jsonl").write_text(record.model_dump_json() + "\n")
    assert cli.run(["audit", "list", str(tmp_path)]) == Exit.SUCCEEDED
    out = capsys.readouterr().out
    assert out.count("\n") == 2
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("source", "code", "why"),
    [("nowhere.jsonl", Exit.USAGE, "cannot be read"), ("s3://records", Exit.FAILED, "AccessDenied")],
)
def test_what_cannot_be_read(
    source: str, code: Exit, why: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boto3, "client", lambda *_, **__: FakeS3({}, denied=True))
    assert cli.run(["audit", "verify", source]) == code
    assert why in capsys.readouterr().err


class FakeS3:
    def __init__(self, objects: dict[str, bytes], *, denied: bool = False, size: int = 1) -> None:
        self.objects, self.denied, self.size = objects, denied, size
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, _: str) -> "FakeS3":
        return self

    def paginate(self, **given: Any) -> list[dict[str, Any]]:
        from tests.kit import refusal

        self.asked.append(given)
        if self.denied:
            raise refusal("AccessDenied")
        return [{"Contents": [{"Key": key, "Size": self.size} for key in self.objects]}]

    def get_object(self, **given: Any) -> dict[str, Any]:
        from botocore.response import StreamingBody

        self.asked.append(given)
        body = self.objects[given["Key"]]
        return {"Body": StreamingBody(io.BytesIO(body), len(body))}


def test_s3_is_read_with_its_owner(
    lines: list[bytes], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = {"audit/recovery/2.jsonl": lines[2:], "audit/recovery/1.jsonl": lines[:2]}
    s3 = FakeS3({key: b"".join(line + b"\n" for line in part) for key, part in objects.items()})
    monkeypatch.setattr(boto3, "client", lambda *_, **__: s3)
    monkeypatch.setenv("AUDIT_BUCKET_OWNER", "123456789012")
    assert cli.run(["audit", "verify", "s3://records"]) == Exit.SUCCEEDED
    assert {asked["ExpectedBucketOwner"] for asked in s3.asked} == {"123456789012"}
    assert s3.asked[0]["Prefix"] == "audit/"
    s3.size = LARGEST_OBJECT + 1
    assert cli.run(["audit", "verify", "s3://records/audit/recovery/"]) == Exit.FAILED
    assert "larger than any object" in capsys.readouterr().err


def test_an_object_without_an_end_of_line_is_read_in_parts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = FakeS3({"audit/recovery/1.jsonl": b"x" * LARGEST_OBJECT})
    monkeypatch.setattr(boto3, "client", lambda *_, **__: s3)
    begun = time.process_time()
    assert cli.run(["audit", "verify", "s3://records"]) == Exit.FAILED
    assert time.process_time() - begun < 2, "each byte is looked at once"
    assert "the audit has 32 faults" in capsys.readouterr().err


async def test_the_topic_is_read(
    kafka: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    await _topics(kafka)
    lines = await Audit().sealed(*ACTS)
    messages = [("audit.v1", b"recovery", list[tuple[str, Any]](), line) for line in (*lines, lines[-1])]
    await send(kafka, *messages)
    assert await asyncio.to_thread(cli.run, ["audit", "verify"]) == Exit.SUCCEEDED
    assert "4 records" in capsys.readouterr().out
    await send(kafka, ("audit.v1", b"recovery", [], b"nonsense"), ("audit.v1", b"x", [], None))
    assert await asyncio.to_thread(cli.run, ["audit", "verify"]) == Exit.FAILED
    assert "is no audit record" in capsys.readouterr().err


async def _topics(kafka: str) -> None:
    from services._chassis.kafka_connection import KafkaConnection
    from services._chassis.topics import ensure_topics

    await ensure_topics(KafkaConnection(kafka), 1)
