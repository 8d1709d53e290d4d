"""Answer ``watch-deployment``: look every few seconds until there is a judgement."""

from dataclasses import dataclass

import structlog

from contracts.base import Target
from contracts.gates import Verdict
from contracts.health import WatchDeployment
from contracts.results import RolloutOutput
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.transition import Decision, Transition
from services.health.domain.observed import NotObserved
from services.health.domain.waiting import Waiting, watch_key
from services.health.domain.watch.judge import Failed, Healthy, Judgement, Unknown, Watching, conclude, judge, remember
from services.health.domain.watch.memory import Expected, Memory, Observed
from services.health.domain.watch.patience import deadline_of
from services.health.ports import Databases, Observer

WATCH = "watch"
WATCH_SECONDS = 5.0
"""Product seconds between two looks at a deployment."""
ASK_SECONDS = 30.0
"""Product seconds between two questions how the database is."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Watch:
    observe: Observer
    databases: Databases
    clock: Clock

    async def __call__(self, running: Running) -> Transition:
        event = WatchDeployment.model_validate_json(running.payload)
        command = Command.of(event, running)
        expected = Expected(event.deployment_id, event.task_definition, event.deadline.timestamp(), event.pace)
        memory = Memory.from_bytes(running.saved, began_at=self.clock.now())
        while True:
            observed = await self._look(event.target, memory)
            now = self.clock.now()
            if isinstance(observed, Observed):
                seen = remember(memory, observed, expected, now)
                asked = await self._asked(event, seen, now, again=seen.failures > memory.failures)
                memory = conclude(memory, asked, observed, expected, now)
            judgement = judge(observed, expected, memory, now)
            if not isinstance(judgement, Watching):
                return _watched(command, judgement)
            deadline = deadline_of(expected, memory)
            silent_until = deadline if expected.pace else None
            if (judgement.message, silent_until) != (memory.message, memory.silent_until):
                memory = memory.with_progress(judgement.message, silent_until)
                until = moment(silent_until) if silent_until is not None else None
                await running.emit(command.progressed(memory.message, str(memory.told), until))
            await running.checkpoint(memory.to_bytes())
            await self.clock.sleep(min(WATCH_SECONDS, max(0.0, deadline - now)))

    async def _asked(self, event: WatchDeployment, memory: Memory, now: float, *, again: bool) -> Memory:
        """Return the memory with how the database is, which is asked seldom, and ``again`` where a task has failed."""
        due = memory.asked_at is None or now - memory.asked_at >= ASK_SECONDS
        if event.database is None or not (due or again):
            return memory
        try:
            fault = await self.databases.fault(event.target, event.database, now)
        except AwsError as error:
            log.warning("nothing is known of the database", target=str(event.target), why=str(error))
            return memory.replace(asked_at=now)
        return memory.replace(asked_at=now, troubles=memory.troubles.following(fault, now))

    async def _look(self, target: Target, memory: Memory) -> Observed | NotObserved:
        try:
            return await self.observe(target, memory, self.clock.now())
        except AwsError as error:
            log.warning("AWS could not be asked", target=str(target), why=str(error))
            return NotObserved(str(error))


def _watched(command: Command, judgement: Healthy | Failed | Unknown) -> Transition:
    """End a watch; nothing is published when a rollback has answered for it meanwhile."""
    cause = None if isinstance(judgement, Healthy) else judgement.cause
    output = None
    if isinstance(judgement, Healthy):
        output = RolloutOutput(wanted=judgement.wanted, task_definition=judgement.task_definition)
    answer = command.answer(_verdict(judgement), judgement.detail, judgement.gates, cause, output)

    def decide(state: bytes | None) -> Decision:
        waiting = Waiting.from_bytes(state)
        if waiting.commands.get(command.run_id) != command.id:
            return Decision()
        return Decision(state=waiting.ends(command.run_id).to_bytes(), emit=(answer,), expires=True)

    return Transition(watch_key(command.target), decide)


def _verdict(judgement: Judgement) -> Verdict:
    match judgement:
        case Healthy():
            return Verdict.PASS
        case Failed():
            return Verdict.FAIL
        case _:
            return Verdict.INCONCLUSIVE
