"""Text for people: long names shortened to what tells them apart, lines broken between words, columns."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}\b")
_REGISTRY = re.compile(r"\b[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/")
_ARN = re.compile(r"\barn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:(?=[A-Za-z0-9])")


def shortened(text: str) -> str:
    """Return a text with digests cut to twelve digits, ARNs cut to their names, images without their registry."""
    return _ARN.sub("", _REGISTRY.sub("…/", _DIGEST.sub(r"\1…", text)))


def wrapped(line: str, width: int) -> list[str]:
    """Break a line between words so that each part has at most ``width`` columns; a longer word stays whole.

    Every part but the first is indented by two columns more.
    """
    indent = line[: len(line) - len(line.lstrip())]
    broken = textwrap.wrap(
        line, max(width, 40), subsequent_indent=f"{indent}  ", break_long_words=False, break_on_hyphens=False
    )
    return broken or [line]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns; the first row is the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(in_columns(row, widths) for row in rows)


def in_columns(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(map(str.ljust, row, widths)).rstrip()


def id_of(run: Mapping[str, Any]) -> str:
    """Return a run's id; empty where nothing is known of it yet."""
    return str(run.get("run_id", ""))


def ended(run: Mapping[str, Any]) -> str:
    """Return a finished run's id and outcome."""
    return f"{run['run_id']} {run['outcome']}"


def migration_of(run: Mapping[str, Any]) -> str:
    """Return how a run's migration has ended, which may be later than the run's own end; empty where nothing is new."""
    sentence = (run.get("migration") or {}).get("sentence", "")
    return f"its migration: {sentence}" if sentence and sentence not in run["reason"] else ""


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 gate``, ``2 gates``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
