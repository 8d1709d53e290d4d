"""Structured logs on stderr: one JSON object a line, with the run and the message that it belongs to."""

import logging
import sys

import structlog


def configure_logs(level: str, service: str) -> None:
    """Set up structlog for this process. Values of messages never belong into a log line."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    # libraries' loggers: only what is wrong
    logging.basicConfig(level=logging.ERROR, format='{"level": "%(levelname)s", "event": "%(message)s"}')
