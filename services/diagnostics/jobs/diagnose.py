"""Answer ``run-diagnostics``: look once, and report what is wrong."""

from dataclasses import dataclass

from contracts.diagnostics import RunDiagnostics
from contracts.gates import Gate
from services._aws.errors import AwsError
from services._chassis.clock import Clock
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.transition import Transition, decided
from services.diagnostics.decisions import record_issues
from services.diagnostics.domain.diagnose import diagnose, gate, summary
from services.diagnostics.ports import Inspector

DIAGNOSE = "diagnose"


@dataclass(frozen=True, slots=True)
class Diagnose:
    inspect: Inspector
    clock: Clock

    async def __call__(self, running: Running) -> Transition:
        event = RunDiagnostics.model_validate_json(running.payload)
        command = Command.of(event, running)
        try:
            evidence = await self.inspect(event.target)
        except AwsError as error:
            blind = Gate.measured("critical_issues", None, "<=", 0, samples=0, detail=str(error))
            return decided(command.from_gates((blind,), "AWS could not be asked, so nobody can tell."))
        now = self.clock.now()
        issues = diagnose(event.target, evidence, now)
        answer = command.from_gates((gate(issues, evidence),), summary(issues, evidence.unseen))
        return record_issues(
            event.target,
            issues,
            now,
            complete=not evidence.unseen,
            cause=running.id,
            run_id=event.run_id,
            also=(answer,),
        )
