"""The application that is watched may answer anything."""

import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator

import cramjam
import httpx2
import pytest

from contracts.schema_status import migrations_of
from services._chassis.web import Address, Web, body_of
from services.health.adapters.application import MOST_BYTES, _document


@pytest.mark.parametrize(
    "body",
    [
        b"[" * MOST_BYTES,
        b'{"a":' * 13_000,
        b"1" * MOST_BYTES,
        b'{"a": 1e999}',
        b"\xff\xfe",
        b"",
        b'"\\ud800"',
        b"[" * 500,
    ],
)
def test_an_answer_that_is_no_usable_json_is_none(body: bytes) -> None:
    assert _document(body) is None


def test_of_migrations_only_known_fields_are_passed_on_and_no_url() -> None:
    reported = {
        "current": "3f2a (head)",
        "head_revision": "3f2a",
        "pending": ["0001_first", "0002.second"],
        "pending_count": 2,
        "up_to_date": False,
        "url": "postgresql://admin:hunter2@db/prod",
        "status": "postgresql://admin:hunter2@db/prod",
        "state": "x" * 1_000,
        "heads": ["postgresql://admin:hunter2@db/prod"],
        "applied": {"by": "hunter2"},
    }
    found = migrations_of({"migrations": reported})
    assert found is not None
    assert "hunter2" not in json.dumps(found)
    assert set(found) == {"current", "head_revision", "pending", "pending_count", "up_to_date"}


class Raw(httpx2.AsyncByteStream):
    """A body as it goes over the wire."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


async def fetched(encoding: str, *chunks: bytes) -> bytes | None:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-encoding": encoding}, stream=Raw(*chunks))

    web = Web("test", httpx2.MockTransport(answer))
    async with web.get(Address("http://application"), "/health") as response:
        body = await body_of(response, MOST_BYTES)
    await web.close()
    return body


ZEROS = bytes(64 * 2**20)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(ZEROS, 1)),
        ("GZIP", gzip.compress(ZEROS[: MOST_BYTES + 1])),
        ("gzip", b"no gzip"),
        ("gzip", gzip.compress(b"{}")[:-6]),
        ("zstd", bytes(cramjam.zstd.compress(ZEROS))),
        ("br", b"x"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}"))),
        ("identity", b"x" * (MOST_BYTES + 1)),
    ],
    ids=range(8),
)
async def test_an_answer_is_inflated_within_bounds(encoding: str, body: bytes) -> None:
    tracemalloc.start()
    assert await fetched(encoding, body) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20


async def test_an_answer_of_usual_size_is_read() -> None:
    assert await fetched("identity", b'{"a":', b"1}") == b'{"a":1}'
    assert await fetched("gzip", gzip.compress(b'{"a":1}')) == b'{"a":1}'
