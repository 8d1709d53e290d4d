"""Log lines, of libraries too, are JSON without secrets, and nothing in them is obeyed by who unpacks them."""

import asyncio
import gc
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from services._chassis.telemetry import LONGEST, configure_logs
from tests.security.test_secrets import MARK, SECRETS
from tests.security.test_terminal import HOSTILE

LIBRARIES = (
    "aiokafka.consumer.fetcher", "uvicorn.error", "botocore.httpsession", "surefoot.faststream", "asyncio",
    "redis.connection", "httpx2",
)  # fmt: skip


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    for module, name in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(module, name, getattr(module, name))  # so that it is put back
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(logging.getLogger("aiokafka"), "level", logging.NOTSET)  # the command line's tests silence it
    logging.root.manager._clear_cache()  # type: ignore[attr-defined]
    structlog.contextvars.clear_contextvars()
    before = logging.root.handlers[:], logging.root.level
    configure_logs("debug", "recovery")
    yield stream
    logging.captureWarnings(capture=False)
    logging.root.handlers[:], level = before
    logging.root.setLevel(level)
    structlog.reset_defaults()


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    lines = stream.getvalue().splitlines()
    for line in lines:
        assert line.isascii()
        assert line.isprintable()
    return [json.loads(line) for line in lines]


def texts_of(data: Any) -> list[str]:
    if isinstance(data, dict):
        return [text for entry in data.items() for value in entry for text in texts_of(value)]
    if isinstance(data, list):
        return [text for value in data for text in texts_of(value)]
    return [data] if isinstance(data, str) else []


def assert_clean(stream: io.StringIO) -> list[dict[str, Any]]:
    lines = lines_of(stream)
    assert lines
    for text in texts_of(lines):
        assert MARK not in text
        assert len(text) <= LONGEST + 1 or "***" in text
        assert all(part.isprintable() for part in text.split("\n"))
    return lines


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_lines_of_libraries_are_json_and_clean(written: io.StringIO, library: str, secret: str) -> None:
    logging.getLogger(library).error("failed: %s %r", f"{HOSTILE} {secret}", secret.encode())
    try:
        int(f"{secret} {HOSTILE}")
    except ValueError:
        logging.getLogger(library).exception("failed")
    assert len(assert_clean(written)) == 2


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_our_own_lines_are_clean_whatever_they_hold(written: io.StringIO, secret: str) -> None:
    text = f"{HOSTILE} {secret}"
    held = {"list": [text], "map": {"a": {text}}, "bytes": text.encode(), "error": ValueError(text), "number": 1}
    structlog.get_logger().info(text, **held, infinite=float("inf"), long="x" * 10 * LONGEST)
    (line,) = assert_clean(written)
    assert (line["number"], line["infinite"]) == (1, "inf")


async def _nobody_looks() -> None:
    async def fails() -> None:
        raise RuntimeError(f"{HOSTILE} password={MARK}")

    task = asyncio.ensure_future(fails())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()


def _thread() -> None:
    def fails() -> None:
        raise RuntimeError(f"{HOSTILE} password={MARK}")

    thread = threading.Thread(target=fails)
    thread.start()
    thread.join()


def _deleted() -> None:
    class Broken:
        def __del__(self) -> None:
            raise RuntimeError(f"{HOSTILE} password={MARK}")

    Broken()
    gc.collect()


def _uncaught() -> None:
    error = RuntimeError(f"{HOSTILE} password={MARK}")
    sys.excepthook(RuntimeError, error, None)


@pytest.mark.parametrize(
    "happens",
    [lambda: asyncio.run(_nobody_looks()), _thread, _deleted, _uncaught],
    ids=["task", "thread", "del", "main"],
)
def test_what_nobody_catches_is_a_line_too(written: io.StringIO, happens: Callable[[], None]) -> None:
    happens()
    (line,) = assert_clean(written)
    assert (line["level"], line["service"]) == ("error", "recovery")
    assert "RuntimeError" in line["exception"]


def test_a_line_that_cannot_be_formatted_and_a_warning_write_nothing_raw(written: io.StringIO) -> None:
    logging.getLogger("aiokafka").error("%d", HOSTILE)
    warnings.warn(HOSTILE, stacklevel=1)
    assert [line for line in lines_of(written) if HOSTILE in line.values()] == []
