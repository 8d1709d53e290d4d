"""The exit codes, for scripts and CI."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """How a command ends."""

    SUCCEEDED = 0
    FAILED = 1
    USAGE = 2
    ROLLED_BACK = 3
    TIMED_OUT = 4
    BLOCKED = 5
    ROLLBACK_FAILED = 6
    ABORTED = 7
    INTERRUPTED = 130


MEANING: Mapping[Exit, str] = {
    Exit.SUCCEEDED: "succeeded",
    Exit.FAILED: "failed, or something that it takes does not answer",
    Exit.USAGE: "usage: it is malformed or ambiguous, or names a cluster, service, container, task definition or gate "
    "that is not there",
    Exit.ROLLED_BACK: "rolled back",
    Exit.TIMED_OUT: "timed out; after `--timeout` the run goes on",
    Exit.BLOCKED: "blocked by a gate before the change (an image that is not there, too), or refused",
    Exit.ROLLBACK_FAILED: "rollback failed: people are needed",
    Exit.ABORTED: "aborted or superseded",
    Exit.INTERRUPTED: "Ctrl+C; a run that was asked for goes on",
}

_OF_OUTCOME = {
    "succeeded": Exit.SUCCEEDED,
    "failed": Exit.FAILED,
    "blocked": Exit.BLOCKED,
    "rolled_back": Exit.ROLLED_BACK,
    "rollback_failed": Exit.ROLLBACK_FAILED,
    "aborted": Exit.ABORTED,
    "superseded": Exit.ABORTED,
}


def exit_of(run: Mapping[str, Any]) -> Exit:
    """Return the exit code of a finished run."""
    if run["outcome"] == "blocked" and run.get("cause") == "usage":
        return Exit.USAGE
    if run["outcome"] == "failed" and run.get("cause") == "timeout":
        return Exit.TIMED_OUT
    return _OF_OUTCOME[run["outcome"]]
