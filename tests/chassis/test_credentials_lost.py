"""A process that has lost its own credentials ends with a sentence, so that its supervisor starts another."""

import pytest

from services._chassis import process, run
from services._chassis.accounts import CredentialsLost
from services._chassis.settings import Settings


async def test_it_says_why_and_exits_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def lost(*_: object) -> None:
        raise CredentialsLost("this process cannot get its own credentials: their source fails, for 10 minutes by now")

    monkeypatch.setattr(process.Process, "run", lost)
    assert await run._main(("services.health",), Settings()) == run.EXIT_FAILED
    captured = capsys.readouterr()
    assert "their source fails, for 10 minutes by now" in captured.out + captured.err
    assert "Traceback" not in captured.out + captured.err
