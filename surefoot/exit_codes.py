"""What the exit codes mean, for scripts and CI."""

from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    SUCCEEDED = 0
    FAILED = 1
    USAGE = 2
    ROLLED_BACK = 3
    TIMED_OUT = 4
    BLOCKED = 5
    ROLLBACK_FAILED = 6
    ABORTED = 7
    """Or superseded."""


_OF_OUTCOME = {
    "succeeded": Exit.SUCCEEDED,
    "failed": Exit.FAILED,
    "blocked": Exit.BLOCKED,
    "rolled_back": Exit.ROLLED_BACK,
    "rollback_failed": Exit.ROLLBACK_FAILED,
    "aborted": Exit.ABORTED,
    "superseded": Exit.ABORTED,
}


def exit_of(run: dict[str, Any]) -> Exit:
    """Return the exit code of a finished run."""
    if run["outcome"] == "blocked" and run.get("cause") == "usage":
        return Exit.USAGE
    if run["outcome"] == "failed" and run.get("cause") == "timeout":
        return Exit.TIMED_OUT
    return _OF_OUTCOME[run["outcome"]]
