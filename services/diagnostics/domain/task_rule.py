"""A rule about stopped tasks, and how a table of them becomes issues."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from re import IGNORECASE, search

from contracts.base import Target
from contracts.diagnostics import Issue
from services.diagnostics.domain.evidence import StoppedTask
from services.diagnostics.domain.playbook import Playbook
from services.diagnostics.domain.situation import Situation


@dataclass(frozen=True, slots=True)
class TaskRule:
    """The tasks that ``concerns`` picks have the trouble that ``playbook`` describes."""

    playbook: Playbook
    concerns: Callable[[StoppedTask], bool]


def matches(prefix: str, pattern: str = "") -> Callable[[StoppedTask], bool]:
    """Pick tasks whose reasons contain ``prefix`` and match ``pattern``, whatever the case of letters."""
    return lambda task: prefix in task.text and search(pattern, task.text, IGNORECASE) is not None


def find(
    target: Target, tasks: Iterable[StoppedTask], rules: Iterable[TaskRule], situation: Situation
) -> tuple[Issue, ...]:
    """Give each task (newest first) to the first rule that concerns it; each rule with a task is one issue."""
    table = tuple(rules)
    concerned: dict[str, list[StoppedTask]] = {}
    for task in tasks:
        rule = next((rule for rule in table if rule.concerns(task)), None)
        if rule is not None:
            concerned.setdefault(rule.playbook.kind, []).append(task)
    playbooks = {rule.playbook.kind: rule.playbook for rule in table}
    return tuple(
        playbooks[kind].issue(
            target, situation.weigh(tuple(found)), _quotes(found), task=found[0].arn.rsplit("/", 1)[-1]
        )
        for kind, found in concerned.items()
    )


def _quotes(tasks: list[StoppedTask]) -> tuple[str, ...]:
    ended = f"{len(tasks)} task{'' if len(tasks) == 1 else 's'} of the last hour"
    return (ended, *(_quote(task) for task in tasks))


def _quote(task: StoppedTask) -> str:
    codes = ", ".join(
        f"{ended.name} exited with {ended.exit_code}" for ended in task.containers if ended.exit_code is not None
    )
    at = datetime.fromtimestamp(task.stopped_at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return f"{at} task {task.arn.rsplit('/', 1)[-1]}: {task.text}{f' ({codes})' if codes else ''}"
