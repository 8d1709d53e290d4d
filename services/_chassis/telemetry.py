"""Structured logs on stderr: one JSON object a line, with the run and the message that it belongs to."""

import logging
import sys
import threading
from collections.abc import Mapping
from math import isfinite
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from contracts.prose import plain
from contracts.redact import redact

LONGEST = 16_384
"""Characters of a text in a line; a traceback is one, too."""

log = structlog.get_logger()


def configure_logs(level: str, service: str) -> None:
    """Set up the logs of this process, those of libraries included. Values of messages are never logged.

    ``service`` is added to each line that does not name another service. Of libraries only errors are logged. Whatever
    Python itself would write on stderr, about errors that nobody has caught, is logged, too.
    """

    def named(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
        line.setdefault("service", service)
        return line

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        named,
    ]
    ending: list[Processor] = [structlog.processors.format_exc_info, _clean_line, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,  # otherwise the set-up of one test would stay for all that follow
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    logging.basicConfig(level=logging.ERROR, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # logging would print its own faults, with the line that it could not format
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda fault: _uncaught(fault.exc_type, fault.exc_value, fault.exc_traceback)
    threading.excepthook = lambda fault: _uncaught(fault.exc_type, fault.exc_value, fault.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    error = error or kind()
    log.error("an error that nobody has caught", error=kind.__name__, exc_info=(kind, error, traceback))


def _clean_line(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Return a line whose texts hold no secret, and nothing that a terminal would obey once JSON is unpacked."""
    cleaned: dict[str, Any] = _clean(line)
    return cleaned


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return {_clean(str(name)): _clean(held) for name, held in value.items()}
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    elif isinstance(value, list | tuple | set | frozenset):
        return [_clean(entry) for entry in value]
    text = str(value)
    whole = redact(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")
    return "\n".join(map(plain, whole.split("\n")))
