"""Everything that stands before a scenario begins: services, and how users reach them."""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator

from sandbox.scenarios.balancing import Action, Listener, LoadBalancer, TargetGroup
from sandbox.scenarios.discovery import Namespace
from sandbox.scenarios.frozen import Frozen
from sandbox.scenarios.service import Service, TaskDefinition


class Infrastructure(Frozen):
    """The services of one account and region."""

    service: Service = Service()
    """The service that is deployed."""
    other_services: tuple[Service, ...] = ()
    """Services beside it, behind the same or other load balancers."""
    load_balancers: tuple[LoadBalancer, ...] = (LoadBalancer(),)
    target_groups: tuple[TargetGroup, ...] = (TargetGroup(),)
    task_definitions: tuple[TaskDefinition, ...] = ()
    """Task definitions that are registered, and run nowhere."""
    namespaces: tuple[Namespace, ...] = ()
    """Namespaces of Cloud Map."""
    container_instances: Annotated[int, Field(ge=0, le=100)] = 3
    """How many EC2 instances each cluster has, for services that run on them."""

    @property
    def services(self) -> tuple[Service, ...]:
        return (self.service, *self.other_services)

    @property
    def listeners(self) -> Iterator[tuple[LoadBalancer, Listener]]:
        """Yield each listener with its load balancer, in their order."""
        return ((balancer, listener) for balancer in self.load_balancers for listener in balancer.listeners)

    def listening_on(self, ports: tuple[int, ...]) -> Self:
        """Return the same with these ports for the listeners, in their order."""
        left = iter(ports)
        moved = tuple(
            balancer.model_copy(
                update={
                    "listeners": tuple(
                        listener.model_copy(update={"port": next(left)}) for listener in balancer.listeners
                    )
                }
            )
            for balancer in self.load_balancers
        )
        return self.model_copy(update={"load_balancers": moved})

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        groups = {group.name for group in self.target_groups}
        wanted = {balancer.target_group for service in self.services for balancer in service.load_balancers}
        wanted |= {weighted.target_group for action in self._actions() for weighted in action.target_groups}
        if missing := sorted(wanted - groups):
            raise ValueError(f"there is no target group {missing[0]}; there are {', '.join(sorted(groups)) or 'none'}")
        self._are_found()
        names = [service.name for service in self.services]
        if len(set(names)) < len(names):
            raise ValueError("two services have the same cluster and name")
        return self

    def _are_found(self) -> None:
        """Check that what services are found by is there. Raise ``ValueError``."""
        known = {namespace.name: {each.name for each in namespace.services} for namespace in self.namespaces}
        for service in self.services:
            connect = service.service_connect_configuration
            if connect is not None and connect.namespace not in known:
                raise ValueError(f"there is no namespace {connect.namespace}; there are {', '.join(known) or 'none'}")
            for registry in service.service_registries:
                if registry.service not in known.get(registry.namespace, ()):
                    raise ValueError(f"the namespace {registry.namespace} has no service {registry.service}")

    def _actions(self) -> Iterator[Action]:
        return (action for _, listener in self.listeners for action in listener.actions)
