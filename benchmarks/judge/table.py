"""The report as text: Markdown, which docs/judgement.md shows as it is printed."""

from collections.abc import Iterator, Sequence

from benchmarks.judge.ended import Worth
from benchmarks.judge.report import SIDES, WRONG, Result, by_kind, figures, wrong

MOST_OF_A_REASON = 240
NAMES = {"surefoot": "Surefoot", "ecs": "ECS alone"}


def table(results: Sequence[Result]) -> str:
    """Return both sides' figures, beside each other."""
    ours, theirs = (figures(results, side) for side in SIDES)
    none = (ours.cells - ours.demanding) / max(1, ours.cells)
    lines = [
        f"{ours.cells} deployments; {ours.demanding} demand a verdict, {none:.0%} of all do not",
        "",
        f"| | {NAMES['surefoot']} | {NAMES['ecs']} |",
        "|---|---|---|",
    ]
    for label, name in (
        ("bad versions", "bad"),
        ("caught", "caught"),
        ("missed", "missed"),
        ("false rollbacks", "false_rollback"),
        ("blocked without need", "blocked_without_need"),
        ("undecided", "undecided"),
        ("rollback failed", "rollback_failed"),
        ("undid scaling", "undid_scaling"),
        ("seconds until the version before serves again, p50", "restored_p50"),
        ("p95", "restored_p95"),
    ):
        lines.append(f"| {label} | {_cell(getattr(ours, name))} | {_cell(getattr(theirs, name))} |")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "—" if value is None else f"{value:.0f}"


def kinds(results: Sequence[Result], axis: str) -> str:
    """Return Surefoot's ends for each value of an axis, the most wrong first."""
    lines = [f"| {axis} | right | open | {' | '.join(WRONG)} |", "|---" * (len(WRONG) + 3) + "|"]
    for value, counted in by_kind(results, axis):
        right, opened = counted[Worth.RIGHT], counted[Worth.OPEN]
        lines.append(f"| {value} | {right} | {opened} | {' | '.join(str(counted[worth]) for worth in WRONG)} |")
    return "\n".join(lines)


def listed(results: Sequence[Result]) -> Iterator[str]:
    """Yield a line for each cell in which Surefoot is wrong, with the reason that it gave."""
    for result in sorted(wrong(results, "surefoot"), key=lambda result: (result.worth("surefoot"), result.played.name)):
        right = " or ".join(sorted(result.played.right.ends))
        yield (
            f"- {result.worth('surefoot')}: *{result.played.name}*: {result.surefoot.outcome}; right is {right}, since "
            f"{result.played.right.because}. It said: {_short(result.surefoot.reason)}"
        )


def _short(reason: str) -> str:
    return reason if len(reason) <= MOST_OF_A_REASON else f"{reason[:MOST_OF_A_REASON]}…"
