"""Commands in, advice out. The analysis is a job: it asks AWS."""

from contracts.envelope import Meta
from contracts.optimizer import AnalyzeResources
from services._chassis.commands import Command
from services._chassis.transition import Transition, decided
from services.optimizer.jobs.analyze import ANALYZE


async def on_analyze_resources(command: AnalyzeResources, meta: Meta) -> Transition:
    return decided(jobs=(Command.of(command, meta).job(ANALYZE, command.model_dump_json().encode()),))
