"""Everything of a service that is made again from a snapshot: is it there, and the calls that make it."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, changing, reading
from services._aws.errors import answer_within as within
from services._chassis.aws import Aws
from services.recovery.adapters import recreate_discovery as discovery
from services.recovery.adapters import recreate_entrance as entrance
from services.recovery.adapters import recreate_network as network
from services.recovery.adapters import recreate_scaling as scaling
from services.recovery.adapters.discovery import names_in, registry_arns
from services.recovery.adapters.ecs import AwsEcs
from services.recovery.adapters.images import AwsImages
from services.recovery.adapters.needs import AwsNeeds
from services.recovery.adapters.recreate_needs import look_at
from services.recovery.domain.change import content_hash, values_of
from services.recovery.domain.readiness import Need
from services.recovery.domain.recreation.recreate_discovery import Names
from services.recovery.domain.recreation.recreate_needs import named_in
from services.recovery.domain.recreation.recreate_parts import Kind, Part
from services.recovery.domain.recreation.recreate_plan import Found
from services.recovery.domain.snapshots.snapshot import Snapshot

WAIT_SECONDS = 15.0
"""How long a look at something that must be there may take, in real seconds."""
Find = Callable[[Aws, Target, Part], Awaitable[Found | None]]
Make = Callable[[Aws, Target, Part], Awaitable[str]]

_BY_KIND: Mapping[Kind, tuple[Find, Make]] = {
    Kind.NAMESPACE: (discovery.find_namespace, discovery.make_namespace),
    Kind.MAP_SERVICE: (discovery.find_map_service, discovery.make_map_service),
    Kind.LOG_GROUP: (network.find_log_group, network.make_log_group),
    Kind.SECURITY_GROUP: (network.find_security_group, network.make_security_group),
    Kind.SECURITY_RULES: (network.find_security_rules, network.make_security_rules),
    Kind.TARGET_GROUP: (entrance.find_target_group, entrance.make_target_group),
    Kind.LISTENER: (entrance.find_listener, entrance.make_listener),
    Kind.LISTENER_RULE: (entrance.find_rule, entrance.make_rule),
    Kind.ALARM: (scaling.find_alarm, scaling.make_alarm),
    Kind.COMPOSITE_ALARM: (scaling.find_alarm, scaling.make_alarm),
    Kind.SCALABLE_TARGET: (scaling.find_scalable_target, scaling.make_scalable_target),
    Kind.SCALING_POLICY: (scaling.find_scaling_policy, scaling.make_scaling_policy),
    Kind.SCHEDULED_ACTION: (scaling.find_scheduled_action, scaling.make_scheduled_action),
    Kind.DASHBOARD: (scaling.find_dashboard, scaling.make_dashboard),
}


@dataclass(frozen=True, slots=True)
class AwsInfrastructure:
    aws: Aws

    async def find(self, target: Target, snapshot: Snapshot, part: Part) -> Found | None:
        if part.kind is Kind.TASK_DEFINITION:
            return await self._task_definition(target, snapshot, part)
        if part.kind is Kind.SERVICE:
            return await self._service(target)
        return await _BY_KIND[part.kind][0](self.aws, target, part)

    async def make(self, target: Target, part: Part, token: str) -> str:
        if part.kind is Kind.TASK_DEFINITION:
            return await AwsEcs(self.aws).register(target, part.body)
        if part.kind is Kind.SERVICE:
            return await self._create_service(target, part, token)
        return await _BY_KIND[part.kind][1](self.aws, target, part)

    async def may_make(self, target: Target) -> bool | None:
        """Ask for a security group on a dry run; the rights to make parts stand in one statement (surefoot iam)."""
        return await network.may_make(self.aws, target)

    async def wanted_tasks(self, target: Target) -> int:
        found = await AwsEcs(self.aws).service(target)
        return 0 if found is None or EcsService(found).being_deleted is not None else EcsService(found).desired

    async def names(self, target: Target, namespace: str) -> Names:
        return await names_in(self.aws, target, namespace)

    async def needs(
        self, target: Target, snapshot: Snapshot, parts: Sequence[Part], made: Sequence[Part]
    ) -> tuple[Need, ...]:
        own = {part.called for part in parts} | {f"the security group {part.ref}" for part in parts}
        of_version = (await AwsNeeds(self.aws).of(target, [snapshot]))[0]
        balancers = {part.body["LoadBalancerArn"] for part in parts if part.kind is Kind.LISTENER}
        listeners = {part.body["ListenerArn"] for part in parts if part.kind is Kind.LISTENER_RULE}
        balancers |= {
            arn for group in snapshot.surroundings.get("target_groups", ()) for arn in group.get("LoadBalancerArns", ())
        }
        others = listeners - {part.ref for part in parts if part.kind is Kind.LISTENER}
        questions = [
            (f"the load balancer {arn.split('/')[-2]}", entrance.balancer_is_there(self.aws, target, arn))
            for arn in sorted(balancers)
        ]
        questions += [
            (f"the listener {_place(arn)}", entrance.listener_is_there(self.aws, target, arn)) for arn in sorted(others)
        ]
        questions += [
            (f"the Cloud Map service {discovery.id_of(arn)}", self._map_service_is_there(target, arn))
            for arn in _registries_besides(parts)
        ]
        asked = await asyncio.gather(*(_answer(what, question) for what, question in questions))
        named = await look_at(self.aws, target, named_in(made))
        places = await self._cluster(target, parts)
        return (*places, *asked, *(need for need in of_version if need.what not in own), *named)

    async def _map_service_is_there(self, target: Target, arn: str) -> bool:
        return await discovery.map_service(self.aws, target, arn) is not None

    async def _cluster(self, target: Target, parts: Sequence[Part]) -> tuple[Need, ...]:
        """Return the cluster, and what of it the service's tasks run on."""
        cluster = f"the cluster {target.cluster}"
        found = await within(WAIT_SECONDS, self._clusters(target))
        if isinstance(found, AwsError):
            return (Need(cluster, None, str(found)),)
        active = next((each for each in found if each.get("status") == "ACTIVE"), None)
        if active is None:
            return (Need(cluster, there=False),)
        return (Need(cluster, there=True), *_run_on(active, next(part for part in parts if part.kind is Kind.SERVICE)))

    async def _clusters(self, target: Target) -> Sequence[Mapping[str, Any]]:
        with reading("ECS", "DescribeClusters"):
            answer = await self.aws.at(target).call("ecs", "describe_clusters", clusters=[target.cluster])
        return answer.get("clusters") or ()

    async def _task_definition(self, target: Target, snapshot: Snapshot, part: Part) -> Found | None:
        """Return the snapshot's own while it can be used and its tags name what ran, or a copy by digest."""
        ecs = AwsEcs(self.aws)
        here = part.ref.split(":")[3] == target.region
        own = await ecs.task_definition(target, part.ref) if here else None
        usable = own is not None and own.get("status") == "ACTIVE" and _is_same(own, snapshot.task_definition)
        images = AwsImages(self.aws)
        now = {image: await images.digest(target, image) for image in snapshot.tagged_images}
        moved = any(now[image] != digest for image, digest in snapshot.tagged_images.items())
        if usable and not moved:
            return Found(part.ref)
        wanted = content_hash(part.body)
        for revision in await ecs.revisions(target, str(part.body["family"])):
            if content_hash(revision) == wanted:
                return Found(str(revision["taskDefinitionArn"]))
        if not usable:
            return None
        return Found(anew="names an image by a tag that has moved, or cannot be read: a copy by digest is registered")

    async def _service(self, target: Target) -> Found | None:
        found = await AwsEcs(self.aws).service(target)
        if found is None:
            return None
        if EcsService(found).being_deleted is not None:
            return Found(anew="is DRAINING, it is still being deleted: it is made once that is over")
        compared = ("loadBalancers", "networkConfiguration", "schedulingStrategy")
        return Found(str(found.get("serviceArn", "")), {name: found.get(name) for name in compared})

    async def _create_service(self, target: Target, part: Part, token: str) -> str:
        logs = (part.body.get("serviceConnectConfiguration") or {}).get("logConfiguration") or {}
        with changing("ECS", "CreateService", secrets=values_of(logs)):
            answer = await self.aws.at(target).call(
                "ecs", "create_service", **part.body, clientToken=hashlib.sha256(token.encode()).hexdigest()[:32]
            )
        return str(answer["service"]["serviceArn"])


def _registries_besides(parts: Sequence[Part]) -> list[str]:
    """Return the registries of the service that are no parts: a snapshot of an earlier version has only their ARNs."""
    if any(part.kind is Kind.MAP_SERVICE for part in parts):
        return []
    return [arn for part in parts if part.kind is Kind.SERVICE for arn in registry_arns(part.body)]


def _run_on(cluster: Mapping[str, Any], service: Part) -> Iterator[Need]:
    """Yield what of its cluster a service's tasks run on: capacity providers, or instances."""
    name, body = cluster["clusterName"], service.body
    for each in body.get("capacityProviderStrategy") or ():
        there = each["capacityProvider"] in (cluster.get("capacityProviders") or ())
        yield Need(f"the capacity provider {each['capacityProvider']} of the cluster {name}", there)
    if body.get("launchType") == "EC2":
        yield Need(f"an instance in the cluster {name}", bool(cluster.get("registeredContainerInstancesCount")))


def _is_same(own: Mapping[str, Any], kept: Mapping[str, Any]) -> bool:
    """Return whether a revision runs what the snapshot has; fields that AWS has added since do not count."""
    return content_hash({name: value for name, value in own.items() if name in kept}) == content_hash(kept)


def _place(arn: str) -> str:
    """Return ``load balancer/listener`` of a listener's ARN."""
    return "/".join(arn.split("/")[-3::2])


async def _answer(what: str, question: Awaitable[bool]) -> Need:
    found = await within(WAIT_SECONDS, question)
    return Need(what, None, str(found)) if isinstance(found, AwsError) else Need(what, found)
