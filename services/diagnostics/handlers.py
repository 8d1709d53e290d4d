"""Bus in, bus out: the command becomes a job, and the job's end is its answer and what changed about the issues."""

from contracts.diagnostics import RunDiagnostics
from contracts.envelope import Meta
from services._chassis.commands import Command
from services._chassis.transition import Transition, decided
from services.diagnostics.jobs.diagnose import DIAGNOSE


async def run_diagnostics(command: RunDiagnostics, meta: Meta) -> Transition:
    return decided(jobs=(Command.of(command, meta).job(DIAGNOSE, command.model_dump_json().encode()),))
