"""Who has taken tasks away lately is seen by how many have reported, and is told from deployments and our own loans."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from contracts.scaling import Counts
from services._chassis.clock import moment
from services.recovery.domain.moves.facts import What
from services.recovery.domain.moves.mover import By
from services.recovery.domain.moves.remembered import Change
from services.recovery.domain.scaling.scaling import PastScaling, ScalingPlan
from services.recovery.domain.scaling.taken_away import lowered_by_others, taken_away

NOW = moment(1_800_000_000)
DESIRED = 3


def ran(count: Callable[[int], float | None]) -> dict[float, float]:
    """Return how many tasks reported in each of the last three hours' minutes; by how many minutes ago it was."""
    found = {NOW.timestamp() - 60 * ago: count(ago) for ago in range(1, 181)}
    return {minute: tasks for minute, tasks in found.items() if tasks is not None}


def ago(minutes: float) -> float:
    return NOW.timestamp() - 60 * minutes


def lent(**changes: Any) -> PastScaling:
    """Return a scaling of our own from 3 to 6 tasks, from 45 until 15 minutes ago."""
    known = {
        "scaling_id": "scaling:1",
        "began_at": NOW - timedelta(minutes=45),
        "restoring_since": NOW - timedelta(minutes=16),
        "ended_at": NOW - timedelta(minutes=15),
        "result": "restored",
        "sentence": "3 tasks are wanted again.",
        "plan": ScalingPlan(
            before=Counts(desired=3), raised=Counts(desired=6), autoscaled=False, sentence="Wants 6 tasks."
        ),
    }
    return PastScaling.model_validate(known | changes)


def ended(minutes: float) -> dict[str, Any]:
    at = NOW - timedelta(minutes=minutes)
    return {"restoring_since": at, "ended_at": at}


def six_until(minutes: int, since: int = 200) -> dict[float, float]:
    return ran(lambda ago: 6 if minutes <= ago <= since else 3)


OURS = six_until(15, 43)


@pytest.mark.parametrize(
    ("tasks", "deployed_at", "past", "says"),
    [
        pytest.param(six_until(7), (), (), "6 tasks ran until", id="seven minutes ago"),
        pytest.param(six_until(49), (), (), "6 tasks ran until", id="forty-nine minutes ago"),
        pytest.param(six_until(61), (), (), "", id="an hour ago"),
        pytest.param(ran(lambda _: 3), (), (), "", id="as many all the time"),
        pytest.param(ran(lambda ago: 2 if ago > 30 else 3), (), (), "", id="fewer before"),
        pytest.param({}, (), (), "", id="no data"),
        pytest.param(ran(lambda ago: 6 if ago > 20 and ago % 5 else None), (), (), "", id="gaps are no evidence"),
        pytest.param(six_until(20, 27), (), (), "", id="a task that drained beside its successor"),
        pytest.param(six_until(20, 45), (ago(40), ago(22)), (), "", id="the surge of a deployment"),
        pytest.param(six_until(20, 80), (ago(80), ago(22)), (), "", id="both sides of a long blue-green deployment"),
        pytest.param(six_until(20, 34), (ago(9000), ago(22)), (), "", id="a deployment before the newest one"),
        pytest.param(six_until(25), (ago(24), ago(20)), (), "6 tasks ran", id="a pipeline that set the count"),
        pytest.param(OURS, (), (lent(),), "", id="what was lent came back"),
        pytest.param(OURS, (), (lent(restoring_since=None, ended_at=None),), "", id="the same by the version before"),
        pytest.param(OURS, (), (lent(ended_by="ann"),), "ann ended scaling:1 at", id="ended early by a person"),
        pytest.param(
            OURS,
            (),
            (lent(ended_by="ann", began_at=NOW - timedelta(minutes=90), **ended(61)),),
            "6 tasks",
            id="ended early, and later somebody took tasks away",
        ),
        pytest.param(six_until(30, 43), (), (lent(),), "6 tasks", id="taken away while it stood"),
        pytest.param(OURS, (), (lent(result="left"),), "6 tasks", id="somebody was in its middle"),
        pytest.param(
            ran(lambda ago: 9 if 15 <= ago <= 43 else 3), (), (lent(),), "9 tasks", id="more than had been lent"
        ),
        pytest.param(
            ran(lambda ago: 6 if 15 <= ago <= 43 else 8 if ago > 46 else 3),
            (),
            (lent(),),
            "8 tasks",
            id="taken away before the loan",
        ),
        pytest.param(OURS, (), (lent(result="refused", plan=None), lent()), "", id="others are passed over"),
    ],
)  # fmt: skip
def test_who_took_tasks_away(
    tasks: dict[float, float], deployed_at: tuple[float, ...], past: tuple[PastScaling, ...], says: str
) -> None:
    found = taken_away(tasks, DESIRED, deployed_at, past, NOW)
    assert bool(found) == bool(says)
    assert says in found


def test_fewer_than_before_the_loan_are_somebody_elses_wish() -> None:
    assert taken_away(OURS, 2, (), (lent(),), NOW)


def fell(minutes: float, by: By = By.PERSON, who: str = "ann", before: str = "6", what: What = "count") -> Change:
    at = NOW - timedelta(minutes=minutes)
    return Change(what=what, before=before, after="3", since=at - timedelta(minutes=5), at=at, by=by, who=who)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param((), "", id="nothing is remembered"),
        pytest.param((fell(3),), "ann has lowered the desired count from 6 to 3", id="a person"),
        pytest.param((fell(59, By.TOOL, "Terraform"),), "Terraform has lowered", id="a tool"),
        pytest.param((fell(10, By.UNKNOWN, ""),), "somebody has lowered", id="nobody knows who"),
        pytest.param((fell(10, By.ANOTHER_SUREFOOT, "another Surefoot"),), "another Surefoot", id="another Surefoot"),
        pytest.param((fell(61),), "", id="an hour ago"),
        pytest.param((fell(10, By.AUTOSCALER),), "", id="an autoscaler"),
        pytest.param((fell(10, By.OURS),), "", id="the end of a scaling of our own"),
        pytest.param((fell(10, By.ECS),), "", id="ECS"),
        pytest.param((fell(10, before="2"),), "", id="somebody has added tasks"),
        pytest.param((fell(10, before="6 to 9", what="limits"),), "", id="limits are no count"),
        pytest.param((fell(20), fell(10, By.AUTOSCALER, "", "9")), "ann", id="a person before an autoscaler"),
    ],
)
def test_who_is_known_to_have_lowered_the_count_is_named(changes: tuple[Change, ...], says: str) -> None:
    found = lowered_by_others(changes, DESIRED, NOW)
    assert bool(found) == bool(says)
    assert says in found


def test_what_was_raised_again_since_is_over() -> None:
    assert lowered_by_others((fell(10),), 6, NOW) == ""
