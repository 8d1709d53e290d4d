"""The figures of a matrix: what each side caught, missed, rolled back and blocked without need. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from benchmarks.judge.ended import Ended, Worth, worth
from benchmarks.judge.matrix import SCALING, Played, with_name
from benchmarks.judge.rule import Answer, End
from benchmarks.rounds import quantile

Side = Literal["surefoot", "ecs"]
SIDES: tuple[Side, Side] = ("surefoot", "ecs")
WRONG = (Worth.MISSED, Worth.FALSE_ROLLBACK, Worth.BLOCKED, Worth.UNDECIDED, Worth.ROLLBACK_FAILED)


@dataclass(frozen=True, slots=True)
class Result:
    """One cell, and how both sides ended it."""

    played: Played
    surefoot: Ended
    ecs: Ended

    def ended(self, side: Side) -> Ended:
        return self.surefoot if side == "surefoot" else self.ecs

    def worth(self, side: Side) -> Worth:
        return worth(self.played.right, self.ended(side))

    def undid_scaling(self, side: Side) -> bool:
        """Return whether another count is wanted in the end than an autoscaler has set."""
        return SCALING[self.played.row["scaling"]] and self.ended(side).desired != self.played.scales_to

    def as_json(self) -> dict[str, Any]:
        return {"cell": self.played.name, "surefoot": asdict(self.surefoot), "ecs": asdict(self.ecs)}


def result_of(kept: dict[str, Any]) -> Result:
    """Read what ``as_json`` wrote."""
    return Result(with_name(kept["cell"]), _ended(kept["surefoot"]), _ended(kept["ecs"]))


def _ended(kept: dict[str, Any]) -> Ended:
    return Ended(**{**kept, "end": None if kept["end"] is None else End(kept["end"])})


@dataclass(frozen=True, slots=True)
class Figures:
    """One side's figures. All but the first three, ``caught`` and the times are counts of what is wrong."""

    cells: int
    demanding: int
    """Cells that demand a verdict."""
    bad: int
    """Those whose version must not stay."""
    caught: int
    """Of these, where it did not stay."""
    missed: int
    false_rollback: int
    blocked_without_need: int
    """Healthy versions and others that nothing spoke against before the change."""
    undecided: int
    rollback_failed: int
    undid_scaling: int
    restored_p50: float | None
    """Seconds from the change until the version before served alone again."""
    restored_p95: float | None


def figures(results: Sequence[Result], side: Side) -> Figures:
    counts = Counter(result.worth(side) for result in results)
    bad = [result for result in results if result.played.right.answer is Answer.STOP]
    back = [result.ended(side) for result in bad if result.ended(side).end is End.BACK]
    times = [ended.restored for ended in back if ended.restored is not None]
    return Figures(
        cells=len(results),
        demanding=sum(result.played.right.answer is not Answer.NONE for result in results),
        bad=len(bad),
        caught=sum(result.worth(side) is Worth.RIGHT for result in bad),
        missed=counts[Worth.MISSED],
        false_rollback=counts[Worth.FALSE_ROLLBACK],
        blocked_without_need=counts[Worth.BLOCKED],
        undecided=counts[Worth.UNDECIDED],
        rollback_failed=counts[Worth.ROLLBACK_FAILED],
        undid_scaling=sum(result.undid_scaling(side) for result in results),
        restored_p50=quantile(times, 0.5) if times else None,
        restored_p95=quantile(times, 0.95) if times else None,
    )


def wrong(results: Iterable[Result], side: Side) -> list[Result]:
    return [result for result in results if result.worth(side) in WRONG]


def by_kind(results: Iterable[Result], axis: str) -> list[tuple[str, Counter[Worth]]]:
    """Return what Surefoot's ends are worth for each value of an axis, the most wrong first."""
    counts: dict[str, Counter[Worth]] = {}
    for result in results:
        counts.setdefault(result.played.row[axis], Counter())[result.worth("surefoot")] += 1
    return sorted(counts.items(), key=lambda pair: (-sum(pair[1][worth] for worth in WRONG), pair[0]))


def as_json(seed: int, results: Sequence[Result]) -> dict[str, Any]:
    return {
        "seed": seed,
        **{side: asdict(figures(results, side)) for side in SIDES},
        "wrong": [
            {
                **result.as_json(),
                "is": {side: result.worth(side) for side in SIDES},
                "right": sorted(result.played.right.ends),
                "because": result.played.right.because,
            }
            for result in wrong(results, "surefoot")
        ],
    }
