"""What the command line shows of the event streams: what is proven to be from who may say it, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from contracts.catalogue import CATALOGUE
from contracts.topics import Party
from surefoot import events
from tests.security.keys import Keys, message_of, record_of


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []

    @asynccontextmanager
    async def started(*_: Any, **__: Any) -> AsyncIterator[Any]:
        async def each() -> AsyncIterator[Any]:
            for record in found:
                yield record

        yield each()

    monkeypatch.setattr(events, "started", started)
    monkeypatch.setattr(events, "connection", lambda: None)
    return found


def test_a_forged_success_is_not_shown(
    records: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = Keys()
    monkeypatch.setattr(events, "trust_of", lambda _: keys.trust())
    entry = next(entry for entry in CATALOGUE if entry.type == "deployment-finished.v1")
    genuine, forged = message_of(entry, Party.ORCHESTRATOR, id="1"), message_of(entry, Party.ORCHESTRATOR, id="2")
    records += [
        record_of(forged),
        record_of(keys.signed(forged, Party.CI)),
        record_of(keys.signed(genuine, Party.ORCHESTRATOR), value=forged.value.replace(b"run", b"nur")),
        *(record_of(forged, offset) for offset in range(events.EVERY)),
        record_of(keys.signed(genuine, Party.ORCHESTRATOR)),
    ]
    shown: list[str] = []
    events.follow((), from_start=True, write=shown.append, as_json=True)
    assert [orjson.loads(line)["id"] for line in shown] == ["1"]
    assert capsys.readouterr().err.count("is not shown") == 2


def test_that_nothing_proves_who_wrote_them_is_told(
    records: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SUREFOOT_TRUSTED_KEYS", raising=False)
    assert not records
    events.follow((), from_start=True, write=print, as_json=False)
    assert "SUREFOOT_TRUSTED_KEYS is not set" in capsys.readouterr().err
