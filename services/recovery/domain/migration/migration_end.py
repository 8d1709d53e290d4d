"""How a migration's task has ended, by what ECS says of it, and what its log explains."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from contracts.migration import MigrationResult
from contracts.prose import quote
from contracts.schema_status import SchemaStatus
from services.recovery.domain.migration.migration import OneOff

MOST_LINES = 50
"""How many lines of the log are shown, the last ones."""
LONGEST_LINE = 400
SCHEMA = "Some of it may be done, and the schema may have changed; what is half done only a person can say."
UNTOUCHED = "Nothing was migrated."

_EXPLAINED: tuple[tuple[str, str], ...] = (
    (
        r"no pg_hba\.conf entry",
        (
            "The database refuses connections that are not encrypted (rds.force_ssl): the URL needs ?ssl=require for "
            "asyncpg, or ?sslmode=require for psycopg. The same message comes for a wrong user, database or network."
        ),
    ),
    (
        r"unexpected keyword argument 'ssl_?mode'|invalid connection option \"ssl\"",
        "The URL has the option of another driver: asyncpg takes ?ssl=require, psycopg takes ?sslmode=require.",
    ),
    (
        r"Can't locate revision identified by",
        "The database is at a revision that this image does not have: the image is older than the schema.",
    ),
    (r"Multiple head revisions|multiple heads", "The image has several heads: merge them, and build it again."),
    (
        r"lock timeout|LockNotAvailable|could not obtain lock|deadlock detected|Lock wait timeout",
        "It waited for a lock that others hold; whoever comes behind it waits as well.",
    ),
    (r"password authentication failed", "The database does not take its user or password."),
    (
        r"could not translate host name|Name or service not known|Connection refused|timed? ?out.{0,40}connect",
        "The database is not reached from the service's subnets and security groups.",
    ),
)
"""Pattern in the log → what it means, and what helps."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a task, as ECS describes it."""

    name: str
    exit_code: int | None = None
    reason: str = ""
    image: str = ""
    """Its reference; empty where ECS does not say."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task, as ECS describes it."""

    arn: str
    token: str = ""
    """Who started it, as RunTask was told."""
    stopped: bool = False
    stopping: bool = False
    """Whether ECS has been asked to stop it, or has decided to."""
    started_at: float | None = None
    """Epoch seconds; None where it has not run."""
    stop_code: str = ""
    reason: str = ""
    containers: tuple[Container, ...] = ()

    def container(self, name: str) -> Container:
        return next((each for each in self.containers if each.name == name), Container(name))


@dataclass(frozen=True, slots=True)
class Ended:
    """How a migration ended."""

    result: MigrationResult
    sentence: str
    exit_code: int | None = None
    schema: SchemaStatus | None = None
    """What the application told of its schema afterwards; None where it was not asked."""
    against: str = ""
    """The gate that speaks against it although it ended with exit code 0; empty where none does."""


def judge(task: Task, asked: OneOff, *, stopped_since: str = "") -> Ended:
    """Return how a task that has stopped ended. ``stopped_since``: why Surefoot has stopped it, as a clause.

    Only the container that migrates counts. Success needs its exit code, 0, from the image that was asked for; a task
    without an exit code that never ran is no failed migration.
    """
    main = task.container(asked.container)
    code, why = main.exit_code, _why(task, main)
    if task.started_at is None and code is None:
        return did_not_start(f"its task stopped before it ran{_by(task)}{f': {why}' if why else ''}")
    if main.image not in {"", asked.image}:
        return Ended("unknown", f"Another image has run than was asked for ({quote(main.image, 200)}). {SCHEMA}", code)
    if "OutOfMemory" in why:
        return Ended("failed", f"It was killed for want of memory: {why}. {SCHEMA}", code)
    if code is None:
        return Ended("unknown", f"It has run, and ECS tells no exit code{f': {why}' if why else ''}. {SCHEMA}")
    return _by_its_code(task, code, why, stopped_since)


def _by_its_code(task: Task, code: int, why: str, stopped_since: str) -> Ended:
    """Return how a task ended that has run; an exit code of 0 says nothing where others have stopped it."""
    if code == 0 and task.stop_code in {"", "EssentialContainerExited"}:
        return Ended("succeeded", "It ended with exit code 0.", code)
    if task.stop_code not in {"", "EssentialContainerExited"}:
        who = f"Surefoot stopped it, since {stopped_since}" if stopped_since else f"It was stopped{_by(task)}: {why}"
        return Ended("unknown" if code == 0 else "failed", f"{who} (exit code {code}). {SCHEMA}", code)
    return Ended("failed", f"It ended with exit code {code}. {SCHEMA}", code)


def did_not_start(because: str) -> Ended:
    """Return that nothing was migrated; ``because`` is a clause without a full stop."""
    return Ended("did_not_start", f"It did not start, because {because.rstrip('.')}. {UNTOUCHED}")


def not_known(because: str) -> Ended:
    """Return that it may have run; ``because`` is a clause without a full stop."""
    return Ended("unknown", f"What has become of it is not known, because {because.rstrip('.')}. {SCHEMA}")


def shown(lines: Iterable[str], secrets: Collection[str]) -> tuple[str, ...]:
    """Return the last lines of a log as they may be shown: on one line each, without controls and without secrets.

    ``secrets``: what an application may print of its environment (``log_secrets.secrets_in``).
    """
    hidden = sorted(secrets, key=len, reverse=True)
    return tuple(_line(line, hidden) for line in list(lines)[-MOST_LINES:])


def _line(line: str, hidden: Sequence[str]) -> str:
    for secret in hidden:
        line = line.replace(secret, "[…]")
    return quote(line, LONGEST_LINE)


def explained(lines: Iterable[str]) -> str:
    """Return what the log means, in sentences; empty where it has nothing that is known."""
    text = "\n".join(lines)
    return " ".join(meaning for pattern, meaning in _EXPLAINED if re.search(pattern, text, re.IGNORECASE))


def _why(task: Task, main: Container) -> str:
    reasons = dict.fromkeys(filter(None, (main.reason, task.reason)))
    return quote("; ".join(reasons), 300).rstrip(".")


def _by(task: Task) -> str:
    return {
        "UserInitiated": " by a person or another program",
        "SpotInterruption": ", since AWS took its capacity back",
        "TerminationNotice": ", since AWS took its capacity back",
        "InfrastructureHealth": ", since its host was ill",
    }.get(task.stop_code, "")
