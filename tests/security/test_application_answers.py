"""The application that is watched may answer anything."""

import json

import pytest

from services.health.adapters.application import MOST_BYTES, _document
from services.health.domain.readiness import migrations


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
    found = migrations({"migrations": reported})
    assert found is not None
    assert "hunter2" not in json.dumps(found)
    assert set(found) == {"current", "head_revision", "pending", "pending_count", "up_to_date"}
