"""Set up the dashboard and the alarms of a target, for a run or over the API, and watch it from then on."""

from dataclasses import dataclass, replace

from contracts.base import Target
from contracts.gates import Verdict, worst
from contracts.monitor import SetUpMonitoring
from contracts.policy_parts import MonitoringPolicy
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.policies import Policies, governed
from services._chassis.transition import Decision, Transition, decided
from services.monitor.decisions import from_gates, look_at, not_reached, set_up_act
from services.monitor.domain.answers import summary
from services.monitor.domain.operation import SetUp
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.domain.watched_service import WatchedService
from services.monitor.jobs.show_policy import ShowPolicy
from services.monitor.ports import NotFound

SET_UP = "set-up-monitoring"
OPERATION = "set-up-on-request"


@dataclass(frozen=True, slots=True)
class SetUpJob:
    """Create dashboard and alarms by the policy of the run."""

    clock: Clock
    policies: Policies
    show: ShowPolicy

    async def __call__(self, running: Running) -> Transition:
        given = SetUpMonitoring.model_validate_json(running.payload)
        command, policy = governed(given, MonitoringPolicy, self.policies)
        asked = Command.of(command, running)
        try:
            shown = await self.show(running, command.target, policy)
        except (NotFound, AwsError) as error:
            return decided(not_reached(asked, error))
        done = Decision(emit=(from_gates(asked, shown.gates, shown.output),))
        return _watched(command.target, shown.service, policy, self.clock.now(), done)


@dataclass(frozen=True, slots=True)
class SetUpOnRequestJob:
    """Create what was asked for over the API, by the policy in force."""

    clock: Clock
    policies: Policies
    show: ShowPolicy

    async def __call__(self, running: Running) -> Transition:
        asked = SetUp.model_validate_json(running.payload)
        policy = self.policies.of(asked.target).part(MonitoringPolicy)
        try:
            shown = await self.show(running, asked.target, policy, asked.parts)
        except (NotFound, AwsError) as error:
            why = str(error)
            failed = asked.failed(why, moment(self.clock.now()), verdict=Verdict.INCONCLUSIVE, summary=why)
            return decided(records=failed.record)
        text, verdict, now = summary(shown.gates), worst(gate.verdict for gate in shown.gates), self.clock.now()
        done = asked.finished(text, moment(now), verdict=verdict, summary=text, gates=shown.gates, output=shown.output)
        audited = set_up_act(asked.operation_id, asked.target, text, verdict)
        if "alarms" not in asked.parts:
            return decided(records=done.record, audit=(audited,))
        return _watched(asked.target, shown.service, policy, now, Decision(records=done.record, audit=(audited,)))


def _watched(
    target: Target, service: WatchedService, policy: MonitoringPolicy, now: float, so_far: Decision
) -> Transition:
    """Return the transition after which the target is watched continuously."""

    def decide(state: bytes | None) -> Decision:
        watch = Watch.from_bytes(state, target=target).with_set_up(service, policy, now)
        return replace(so_far, state=watch.to_bytes(), timers=(look_at(target, now),))

    return Transition(watch_key(target), decide)
