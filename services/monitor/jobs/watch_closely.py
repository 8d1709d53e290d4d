"""Find the CloudWatch dimensions of a run's target, and look at it often from now on."""

from dataclasses import dataclass

from contracts.gates import Gate
from contracts.monitor import WatchClosely
from contracts.policy_parts import MonitoringPolicy
from services._aws.errors import AwsError
from services._chassis.clock import Clock
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.policies import Policies, governed
from services._chassis.transition import Decision, Transition, decided
from services.monitor.decisions import from_gates, look_at, not_reached, run_is_over
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.ports import EcsServices, NotFound

WATCH = "watch-closely"


@dataclass(frozen=True, slots=True)
class WatchCloselyJob:
    clock: Clock
    policies: Policies
    services: EcsServices

    async def __call__(self, running: Running) -> Transition:
        given = WatchClosely.model_validate_json(running.payload)
        command, policy = governed(given, MonitoringPolicy, self.policies)
        asked = Command.of(command, running)
        try:
            service = await self.services.watched(command.target, None)
        except (NotFound, AwsError) as error:
            return decided(not_reached(asked, error))
        where = service.load_balancer or "no load balancer: its tasks alone"
        detail = f"{where}, every {policy.monitoring.close_interval_seconds:g} s"
        emit = from_gates(asked, (Gate.true("rules_watching", True, samples=len(policy.rules), detail=detail),))
        now, until = self.clock.now(), command.until.timestamp()

        def decide(state: bytes | None) -> Decision:
            watch = Watch.from_bytes(state, target=command.target)
            if command.run_id in watch.ended:
                return Decision(emit=(run_is_over(asked),))
            watch = watch.with_run(command.run_id, until, service, policy, now)
            return Decision(watch.to_bytes(), (emit,), (look_at(command.target, now),))

        return Transition(watch_key(command.target), decide)
