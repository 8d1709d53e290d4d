"""Answer ``analyze-resources``: look at what runs and how busy it is, and keep the advice."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil

from contracts.base import Target, caused_id
from contracts.deployment import Cause
from contracts.optimizer import AnalyzeResources
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.transition import Emit, Transition, decided
from services.optimizer.domain.analysis import Analysis, analyze, recommendation
from services.optimizer.ports import EcsServices, Metrics, NotSizable

ANALYZE = "analyze-resources"
LONGEST = 336
"""The longest look-back in hours: CloudWatch keeps one-minute points for 15 days."""
POINTS = 1440
"""The most points of one series: a day of minutes."""


def baseline_record(target: Target) -> str:
    return f"baseline:{target}"


def recommendation_record(target: Target) -> str:
    return f"recommendation:{target}"


@dataclass(frozen=True, slots=True)
class Analyze:
    clock: Clock
    services: EcsServices
    metrics: Metrics

    async def look(self, target: Target, hours_back: int) -> tuple[Analysis, datetime]:
        """Return an analysis, and the moment at which its measurements end. Raise ``NotSizable`` or ``AwsError``."""
        now, hours = self.clock.now(), min(max(hours_back, 1), LONGEST)
        start, period = now - hours * 3600, ceil(hours * 60 / POINTS) * 60
        deployed = await self.services.deployed(target, start)
        usage = await self.metrics.usage(target, start, now, period)
        return analyze(deployed, usage, target.region), moment(now)

    async def __call__(self, running: Running) -> Transition:
        event = AnalyzeResources.model_validate_json(running.payload)
        command, target = Command.of(event, running), event.target
        try:
            analysis, until = await self.look(target, event.hours_back)
        except (NotSizable, AwsError) as error:
            cause = Cause.ERROR if isinstance(error, AwsError) else Cause.USAGE
            return decided(command.inconclusive(str(error), cause))
        answer = command.from_gates(analysis.gates, analysis.summary, inconclusive=Cause.GATE)
        if analysis.advice is None or analysis.baseline is None:
            return decided(answer)
        id_ = caused_id(running.id, "recommendation")
        made = recommendation(analysis, analysis.advice, target, id_, event.run_id, until)
        records = {
            baseline_record(target): analysis.baseline.model_dump_json().encode(),
            recommendation_record(target): made.model_dump_json().encode(),
        }
        return decided(Emit(made, made.recommendation_id), answer, records=records)
