"""Calls that AWS answers alike each time, with the same settings, where moto does not: an answer may be lost."""

from collections.abc import Callable, Mapping
from typing import Any

from moto.applicationautoscaling.models import ApplicationAutoscalingBackend, FakeApplicationAutoscalingPolicy
from moto.elbv2.exceptions import DuplicateListenerError, DuplicateTargetGroupName
from moto.elbv2.models import ELBv2Backend, FakeListener, FakeTargetGroup


def repeated_calls() -> Mapping[tuple[object, str], object]:
    """Return (owner, name) → the replacement for moto's method."""
    return {
        (ELBv2Backend, "create_target_group"): _create_target_group(),
        (ELBv2Backend, "create_listener"): _create_listener(),
        (ApplicationAutoscalingBackend, "put_scaling_policy"): _put_scaling_policy(),
    }


def _create_target_group() -> Callable[..., FakeTargetGroup]:
    """Return a group that is there already for the same settings.

    Source: Elastic Load Balancing API reference, CreateTargetGroup: "If you attempt to create multiple target groups
    with the same settings, each call succeeds."
    """
    original = ELBv2Backend.create_target_group

    def create_target_group(self: ELBv2Backend, name: str, **asked: Any) -> FakeTargetGroup:
        there = next((group for group in self.target_groups.values() if group.name == name), None)
        if there is None:
            made = original(self, name, **asked)
            made.asked = asked  # type: ignore[attr-defined]  # moto keeps what it has completed alone
            return made
        if getattr(there, "asked", None) != asked:
            raise DuplicateTargetGroupName
        return there

    return create_target_group


def _create_listener() -> Callable[..., FakeListener]:
    """Return a listener that is there already for the same settings, and refuse another one at its port.

    Source: Elastic Load Balancing API reference, CreateListener. moto looks for ports among ARNs, and finds none.
    """
    original = ELBv2Backend.create_listener

    def create_listener(
        self: ELBv2Backend, load_balancer_arn: str, protocol: str, port: str, *rest: Any, **asked: Any
    ) -> FakeListener:
        balancer = self.load_balancers.get(load_balancer_arn)
        known = balancer.listeners.values() if balancer is not None else ()
        there = next((listener for listener in known if str(listener.port) == str(port)), None)
        wanted = (protocol, rest, asked)
        if there is None:
            made = original(self, load_balancer_arn, protocol, port, *rest, **asked)
            made.asked = wanted  # type: ignore[attr-defined]  # moto keeps what it has completed alone
            return made
        if getattr(there, "asked", None) != wanted:
            raise DuplicateListenerError
        return there

    return create_listener


def _put_scaling_policy() -> Callable[..., FakeApplicationAutoscalingPolicy]:
    """Let a policy that is put again have its two alarms once; moto makes two more each time."""
    original = ApplicationAutoscalingBackend.put_scaling_policy

    def put_scaling_policy(self: ApplicationAutoscalingBackend, *asked: Any, **named: Any) -> Any:
        before = dict(self.policies)
        made = original(self, *asked, **named)
        for key, policy in before.items():
            if self.policies[key] is not policy:
                policy.delete_alarms(self.account_id, self.region_name)
        return made

    return put_scaling_policy
