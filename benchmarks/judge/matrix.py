"""The cells: kinds of services, images and surroundings, each pair of values at least once, by a seed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from benchmarks.judge.facts import Cell, Surroundings
from benchmarks.judge.images import IMAGES, RUNNING, version_of
from benchmarks.judge.kinds import KINDS, Kind
from benchmarks.judge.pairs import Row, rows
from benchmarks.judge.rule import Right, right
from sandbox.aws.world.conditions import METRICS_LATE
from sandbox.scenarios.behaviour import Behaviour
from sandbox.scenarios.model import Scenario
from sandbox.scenarios.service import USUAL_CLUSTER, USUAL_SERVICE

TRAFFIC = {"high": 200.0, "low": 3.0, "none": 0.0}
"""Users' requests a minute."""
METRICS = {"usual": METRICS_LATE, "late": 300.0}
"""Seconds after which CloudWatch has a minute's metrics."""
ALARM = {"quiet": False, "fires": True}
SCALING = {"still": False, "acts": True}
SCALES_AT = 90
"""Seconds after the request at which an autoscaler sets another desired count."""
LEAST_MINUTES, MOST_MINUTES = 15, 25
"""How long baking lasts, by the policy, which has its defaults in all else: what comes late is waited for."""
USUAL = {"running": "healthy", "metrics": "usual", "alarm": "quiet", "scaling": "still"}
"""The surroundings of most cells, beyond those that a pair needs: an alarm that fires excuses every refusal."""
LEAST_CELLS = 300
SETTLED_SECONDS = 120
"""Seconds after the end of a run for which AWS is still watched."""
AXES = {
    "kind": tuple(KINDS),
    "image": tuple(IMAGES),
    "traffic": tuple(TRAFFIC),
    "running": tuple(RUNNING),
    "metrics": tuple(METRICS),
    "alarm": tuple(ALARM),
    "scaling": tuple(SCALING),
}
SEEN_OF_NOTHING = ("healthy", "wrong-architecture", "crash-at-start")
"""The images that are played where nothing runs: the others are alike there."""


def impossible(row: Row) -> str:
    """Return why a cell cannot be, or would only be another once more; empty where it is played."""
    kind = KINDS.get(row.get("kind", ""))
    return "" if kind is None else next((why for holds, why in _IMPOSSIBLE if holds(kind, row)), "")


_IMPOSSIBLE: tuple[tuple[Callable[[Kind, Row], bool], str], ...] = (
    (
        lambda kind, row: kind.scales_to is None and row.get("scaling") == "acts",
        "there is no desired count that an autoscaler could set",
    ),
    (
        lambda kind, row: kind.facts.tasks == 0 and row.get("alarm") == "fires",
        "an alarm over the tasks' metrics has no metrics where nothing runs",
    ),
    (
        lambda kind, row: (
            kind.facts.tasks == 0 and (row.get("running") == "ill" or row.get("traffic", "none") != "none")
        ),
        "nothing runs that could be ill or serve anybody",
    ),
    (
        lambda kind, row: kind.facts.tasks == 0 and row.get("image", "healthy") not in SEEN_OF_NOTHING,
        "nothing runs that would show what the image does",
    ),
    (
        lambda kind, row: not kind.facts.counted and row.get("traffic", "none") != "none",
        "nobody counts its requests, so that it is the same as without any",
    ),
    (
        lambda kind, row: not kind.facts.counted and row.get("running") == "ill",
        "nobody would see that the version before answers wrongly",
    ),
    (
        lambda kind, row: not kind.asks_health and row.get("image") == "health-check-fails",
        "no health check asks it how it is",
    ),
)


@dataclass(frozen=True)
class Played:
    """One cell of the matrix."""

    row: Row

    @property
    def name(self) -> str:
        return " ".join(self.row.values())

    @property
    def scales_to(self) -> int | None:
        return KINDS[self.row["kind"]].scales_to

    @cached_property
    def image(self) -> Behaviour:
        """Return what the new image does. One that is slow to start takes that much longer than others of its kind."""
        image, usual = IMAGES[self.row["image"]].behaviour, Behaviour()
        more = self._usual.start_seconds - usual.start_seconds
        crash = image.crash_after
        if crash is not None and crash > image.start_seconds:
            crash += more
        later = {"start_seconds": image.start_seconds + more, "crash_after": crash}
        return image.model_copy(update={**KINDS[self.row["kind"]].image, **later})

    @cached_property
    def running(self) -> Behaviour:
        return RUNNING[self.row["running"]].model_copy(update=KINDS[self.row["kind"]].image)

    @property
    def _usual(self) -> Behaviour:
        return Behaviour.model_validate(KINDS[self.row["kind"]].image)

    @cached_property
    def cell(self) -> Cell:
        around = Surroundings(
            requests=TRAFFIC[self.row["traffic"]],
            watch=LEAST_MINUTES,
            late=METRICS[self.row["metrics"]],
            alarm_fires=ALARM[self.row["alarm"]],
        )
        return Cell(version_of(self.running), version_of(self.image), KINDS[self.row["kind"]].facts, around)

    @cached_property
    def right(self) -> Right:
        return right(self.cell)

    @property
    def scenario(self) -> Scenario:
        kind, traffic = KINDS[self.row["kind"]], TRAFFIC[self.row["traffic"]]
        happenings = [*kind.world.get("happenings", ()), *IMAGES[self.row["image"]].happenings]
        if METRICS[self.row["metrics"]] != METRICS_LATE:
            happenings.append({"at": 0, "metrics_late": METRICS[self.row["metrics"]]})
        if SCALING[self.row["scaling"]]:
            happenings.append({"at": SCALES_AT, "scale_to": kind.scales_to})
        alarm = {"name": "backend-cpu-high", "metric": "CPUUtilization", "above": 20}
        return Scenario.model_validate(
            {
                "name": "new",
                "teaches": self.name,
                "image": self.image,
                "running": self.running,
                "world": {
                    **kind.world,
                    "traffic": {"peak": traffic, "night": traffic},
                    "alarms": [alarm] if ALARM[self.row["alarm"]] else [],
                    "happenings": happenings,
                },
                "policy": {
                    "version": 1,
                    "defaults": {"baking": {"minimum_minutes": LEAST_MINUTES, "maximum_minutes": MOST_MINUTES}},
                    "services": [{"cluster": USUAL_CLUSTER, "service": USUAL_SERVICE, **kind.policy}],
                },
                "expect": {"outcome": "succeeded", "watch": SETTLED_SECONDS},
            }
        )


def matrix(seed: int, least: int = LEAST_CELLS) -> list[Played]:
    return [Played(row) for row in rows(AXES, impossible, seed, least, USUAL)]


def with_name(name: str) -> Played:
    """Return the cell of this name. Raise ``ValueError`` where there is none."""
    return Played(dict(zip(AXES, name.split(), strict=True)))
