"""How earlier versions started is asked once something is worse, and no decision needs the answer."""

from datetime import timedelta

import pytest

from contracts.deployment import DeploymentFinished, Outcome
from contracts.gates import Gate, Verdict
from contracts.monitor import EvaluateRules
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services.monitor.domain.history import BY_MINUTES, LONG, MOST_STARTS, Earlier, good_starts
from services.monitor.domain.metrics import MINUTE, Readings
from services.monitor.domain.rollout import Rollout
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.domain.watched_service import WatchedService
from tests.services.monitor.harness import BALANCED, GOOD_MINUTE, START, TARGET, FakeMetrics, World

DAY = 86_400.0
THEN = START - 2 * DAY
COLD = {**GOOD_MINUTE, "response_time": 0.9}


class Remembering(FakeMetrics):
    """Also knows the minutes after an earlier deployment."""

    then: dict[str, float] | AwsError
    asked = 0

    async def read(
        self, target: object, service: WatchedService, namespace: str, start: float, end: float, period: int = 60
    ) -> Readings:
        if start > START - DAY:
            return await super().read(TARGET, service, namespace, start, end, period)
        self.asked += 1
        assert (start, end) == (THEN, THEN + self.clock.time - START)
        if isinstance(self.then, AwsError):
            raise self.then
        ends = round((end - start) / MINUTE)
        series = {name: {start + at * MINUTE: value for at in range(ends)} for name, value in self.then.items()}
        return Readings(service, series)


def world(then: dict[str, float] | AwsError, *, proven: bool = True) -> tuple[World, Remembering]:
    """Return a world in which a deployment has just begun, some time after another one."""
    found = World()
    metrics = Remembering(found.clock)
    metrics.then = then
    metrics.past = {START - back * MINUTE: dict(GOOD_MINUTE) for back in range(1, 121)}
    found.metrics = metrics
    earlier = Earlier(id="v1", task_definition="app:1", began_at=THEN, ended_at=START, proven=proven)
    rollout = Rollout(id="v2", task_definition="app:2", began_at=START, running=2, earlier=(earlier,))
    found.services.found = BALANCED.model_copy(update={"rollout": rollout})
    found.work = found.replica(found.policies)
    return found, metrics


async def evaluated(found: World) -> dict[str, Gate]:
    """Bake for a quarter of an hour, which is slow from its first minute on."""
    found.metrics.change(**COLD)
    now = moment(found.clock.time)
    deadline = now + timedelta(minutes=15)
    asked = EvaluateRules(target=TARGET, run_id="run-1", since=now, not_before=deadline, deadline=deadline)
    await found.send(found.handlers.evaluate_rules, asked, "evaluate-1")
    await found.until(16 * MINUTE)
    (answer,) = found.answers
    return {gate.name: gate for gate in answer.gates}


async def test_a_start_like_those_before_it_is_a_finding() -> None:
    found, metrics = world(COLD)
    gate = (await evaluated(found))["response_time_compared"]
    assert gate.verdict is Verdict.PASS
    assert gate.found is not None
    assert metrics.asked > 0


async def test_a_start_that_is_worse_fails() -> None:
    found, _ = world(GOOD_MINUTE)
    gate = (await evaluated(found))["response_time_compared"]
    assert gate.verdict is Verdict.FAIL
    assert "same minutes" in gate.detail


@pytest.mark.parametrize("then", [{}, AwsError("throttled", code="Throttling", temporary=True)])
async def test_where_cloudwatch_tells_nothing_of_then_the_minutes_before_decide(
    then: dict[str, float] | AwsError,
) -> None:
    found, metrics = world(then)
    gate = (await evaluated(found))["response_time_compared"]
    assert gate.verdict is Verdict.FAIL
    assert "same minutes" not in gate.detail
    assert metrics.asked > 0


@pytest.mark.slow
async def test_nobody_asks_while_nothing_is_worse() -> None:
    found, metrics = world(COLD)
    now = moment(found.clock.time)
    deadline = now + timedelta(minutes=15)
    asked = EvaluateRules(target=TARGET, run_id="run-1", since=now, not_before=deadline, deadline=deadline)
    await found.send(found.handlers.evaluate_rules, asked, "evaluate-1")
    await found.until(16 * MINUTE)
    assert found.answers[0].verdict is Verdict.PASS
    assert metrics.asked == 0


@pytest.mark.slow
@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED])
async def test_only_a_run_that_succeeds_proves_what_is_live(outcome: Outcome) -> None:
    found, _ = world(COLD)
    await evaluated(found)
    over = DeploymentFinished(target=TARGET, run_id="run-1", outcome=outcome, reason="", seconds=60)
    await found.send(found.handlers.run_over, over)
    watch = Watch.from_bytes(await found.load(watch_key(TARGET)), target=TARGET)
    assert watch.dimensions is not None
    assert watch.dimensions.rollout is not None
    assert watch.dimensions.rollout.proven is (outcome is Outcome.SUCCEEDED)


def test_starts_are_of_good_deployments_that_cloudwatch_still_tells_by_the_minute() -> None:
    def one(days: float, lived: float, *, proven: bool = False) -> Earlier:
        began_at = START - days * DAY
        return Earlier(id=str(days), began_at=began_at, ended_at=began_at + lived, proven=proven)

    earlier = (one(20, DAY), one(3, DAY), one(2, LONG - 1), one(1, LONG - 1, proven=True))
    assert good_starts(earlier, START) == (START - 3 * DAY, START - DAY)
    assert good_starts(earlier, START + BY_MINUTES) == ()
    many = tuple(one(10 - number, DAY) for number in range(8))
    assert len(good_starts(many, START)) == MOST_STARTS
