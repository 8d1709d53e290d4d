"""Checks the migrations of a campaign: one task each at most, one answer, and no change without a good end. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from contracts.base import caused_id
from contracts.migration import MigrationFinished, MigrationStarted
from contracts.recovery import ChangeApplied
from tests.chaos.ends import ends_of
from tests.chaos.observer import Seen
from tests.chaos.report import Report
from tests.chaos.requests import Asked

SUREFOOT = "surefoot/"
"""What the user agents of our calls have in common."""
NEVER_RAN = "its task stopped before it ran: ResourceInitializationError"
"""How a migration ends of which ECS has taken the task, and could not prepare it: no container of it was begun."""


def judge_migrations(report: Report, asked: Sequence[Asked], seen: Seen, calls: Iterable[dict[str, Any]]) -> None:
    """Add the figures and faults of migrations to a report."""
    begun = {event.migration_id: event for event in seen.of(MigrationStarted)}
    answers = ends_of(seen, MigrationFinished, "migration_id", begun)
    tasks = tasks_of(calls)
    report.migrations, report.migrations_answered = len(begun), len(answers)
    report.migration_tasks = sum(map(len, tasks.values()))
    report.faults += [f"{migration} was never answered" for migration in sorted(begun.keys() - answers.keys())]
    report.faults += [f"{migration} was answered {times} times" for migration, times in answers.items() if times > 1]
    report.faults += _wrong_tasks({caused_id(migration, "task"): migration for migration in begun}, tasks)
    of_run = Counter(event.run_id for event in begun.values() if event.run_id is not None)
    report.faults += [f"the run {run} has migrated {times} times" for run, times in of_run.items() if times > 1]
    report.faults += _wrong_ends(seen.of(MigrationFinished), tasks)
    report.faults += _wrong_runs(asked, seen)


def tasks_of(calls: Iterable[dict[str, Any]]) -> Mapping[str, set[str]]:
    """Return token → the ids of the tasks that ECS has begun for it: calls with the same client token have the same."""
    found: dict[str, set[str]] = defaultdict(set)
    for call in calls:
        if call["operation"] == "RunTask" and SUREFOOT in call["user_agent"]:
            for task in filter(None, call["effect"].split(", ")):
                task_id, _, token = task.partition(" ")
                found[token].add(task_id)
    return found


def _wrong_tasks(migrations: Mapping[str, str], tasks: Mapping[str, set[str]]) -> Iterator[str]:
    for token, started in tasks.items():
        if token not in migrations:
            yield f"a task was started for a migration that nobody was told of: {token}"
        if len(started) > 1:
            yield f"{migrations.get(token, token)} has {len(started)} tasks"


def _wrong_ends(ends: Iterable[MigrationFinished], tasks: Mapping[str, set[str]]) -> Iterator[str]:
    for end in ends:
        ran = bool(tasks.get(caused_id(end.migration_id, "task")))
        if ran and end.result == "did_not_start" and NEVER_RAN not in end.sentence:
            yield f"{end.migration_id} is said not to have started, and its task was: {end.sentence}"
        if not ran and end.result in {"succeeded", "failed"}:
            yield f"{end.migration_id} is said to have {end.result}, and no task of it was started"


def _wrong_runs(asked: Sequence[Asked], seen: Seen) -> Iterator[str]:
    """Yield a sentence for each run that has changed its service although its migration has not succeeded."""
    changed = {event.run_id for event in seen.of(ChangeApplied)}
    results = {end.run_id: end for end in seen.of(MigrationFinished) if end.run_id is not None}
    for request in asked:
        end = results.get(request.run_id)
        if end is not None and end.result == "succeeded" and request.migration_fails:
            yield f"the migration of {request.id} is said to have succeeded, and its container ended with an error"
        if request.migrates and request.run_id in changed and (end is None or end.result != "succeeded"):
            how = "was never run" if end is None else f"has ended {end.result}"
            yield f"{request.id} has changed its service, and its migration {how}"
