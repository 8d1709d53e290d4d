"""What a service is found by: in snapshots, in the plan of making it again, and once it is made."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from contracts.base import Target
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server.gateway import Gateway
from sandbox.aws.server.in_process import InProcessAws
from sandbox.scenarios.harm import Kind as Harm
from sandbox.scenarios.harm import Rule
from sandbox.scenarios.model import Scenario
from sandbox.virtual.aws import InProcessConnection
from services._aws.errors import AwsError
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services.recovery.adapters.discovery import AwsDiscovery, names_in
from services.recovery.adapters.surroundings import AwsSurroundings
from services.recovery.domain.readiness import Need
from services.recovery.domain.recreation.move import Move, moved
from services.recovery.domain.recreation.recreate_discovery import (
    Names,
    Neighbour,
    Registry,
    registered,
    taken,
    unregistered,
    wanted_names,
)
from services.recovery.domain.recreation.recreate_parts import Kind, new_names
from services.recovery.domain.recreation.recreate_plan import Unread, parts_of
from services.recovery.domain.snapshots.comparable import Side
from services.recovery.domain.snapshots.compare import drift_of
from tests.services.recovery.harness import TARGET
from tests.services.recovery.recreations import (
    CONNECTED,
    NOW,
    REGISTRY,
    SPACE,
    part,
    planned,
    snapshot,
    there,
)
from tests.services.recovery.test_recovery_recreation import World, approved, web, world

__all__ = ["web", "world"]  # fixtures
MAP_SERVICE = "Cloud Map service:backend.court.internal"
SERVICE = "service:BackendService"
HERE = Target(account=ACCOUNT, region=REGION, cluster="CourtCaseCluster", service="BackendService")
SERVES = {"portName": "web", "discoveryName": "orders", "clientAliases": [{"port": 80, "dnsName": "shop"}]}
CONNECT = {"enabled": True, "namespace": "internal", "services": [SERVES]}


def serving(connect: dict[str, Any] = CONNECT) -> list[dict[str, Any]]:
    return [{"id": "1", "status": "PRIMARY", "serviceConnectConfiguration": connect}]


# The plan


def test_a_namespace_stands_for_the_old_one_in_everything_after_it() -> None:
    new = new_names(SPACE["Arn"], SPACE["Arn"].replace("ns-0a1", "ns-new"))
    made = part(snapshot(), MAP_SERVICE).with_ids(new)
    assert made.body == {
        "Name": "backend", "NamespaceId": "ns-new", "DnsConfig": REGISTRY["DnsConfig"],
        "HealthCheckCustomConfig": {"FailureThreshold": 1},
    }  # fmt: skip
    renamed = new_names(made.ref, made.ref.replace("0c3", "new"))
    assert part(snapshot(), SERVICE).with_ids(renamed).body["serviceRegistries"] == [
        {"registryArn": REGISTRY["Arn"].replace("0c3", "new")}
    ]


def test_a_namespace_is_a_part_once_and_by_its_name_where_the_snapshot_has_no_more() -> None:
    def spaces(taken: Any) -> list[tuple[str, str]]:
        return [(each.name, each.ref) for each in parts_of(taken, NOW) if each.kind is Kind.NAMESPACE]

    assert spaces(snapshot()) == [("court.internal", SPACE["Arn"]), ("internal", CONNECTED["Arn"])]
    assert spaces(snapshot(around={"connect_namespace": SPACE})) == [("court.internal", SPACE["Arn"])]
    assert spaces(snapshot(without=("registries", "connect_namespace"))) == [("internal", "")]
    by_arn = serving({"enabled": True, "namespace": CONNECTED["Arn"]})
    earlier = snapshot({"deployments": by_arn}, without=("registries", "connect_namespace"))
    assert spaces(earlier) == [("ns-0b2", CONNECTED["Arn"])]
    off = snapshot({"deployments": serving({"enabled": False})}, without=("registries", "connect_namespace"))
    assert spaces(off) == []


def test_the_default_namespace_of_a_cluster_is_named_where_the_service_is_made() -> None:
    body = part(snapshot({"deployments": serving({"enabled": True})}), SERVICE).body
    assert body["serviceConnectConfiguration"] == {"enabled": True, "namespace": CONNECTED["Arn"]}


def test_a_namespace_that_is_gone_refuses_the_plan_and_one_that_is_not_known_does_not() -> None:
    gone = planned(snapshot(), {"namespace:internal": None})
    assert gone.blocked == (
        (
            "The namespace internal cannot be made: it is its owner's: make it first, as your infrastructure code has "
            "it, under the same name, and ask again."
        ),
    )
    assert "namespace:internal" not in gone.makes
    unread = planned(snapshot(), {"namespace:internal": Unread("Cloud Map did not answer")})
    assert unread.blocked == ()
    assert "Whether the namespace internal is there is not known: Cloud Map did not answer." in unread.warnings
    assert unread.digest == planned(snapshot()).digest, "an approval is bound to what is made"
    assert planned(snapshot(), there(snapshot()) | {"namespace:internal": None}).blocked == ()


def test_a_snapshot_of_a_version_before_says_what_it_does_not_hold() -> None:
    plan = planned(snapshot(without=("registries", "connect_namespace")))
    assert MAP_SERVICE not in plan.makes
    assert "the service of Cloud Map with which its tasks are registered: an earlier version" in " ".join(plan.warnings)
    need = Need("the Cloud Map service srv-0c3", there=False)
    refused = planned(snapshot(without=("registries",)), needs=[need]).blocked
    assert refused == ("The Cloud Map service srv-0c3 is not there: make it first, and ask again.",)


def test_a_service_that_stays_while_its_cloud_map_service_is_made_is_told_to_be_deployed_anew() -> None:
    found = {key: seen for key, seen in there(snapshot()).items() if key != MAP_SERVICE}
    told = " ".join(planned(snapshot(), found).warnings)
    assert "ECS registers its tasks in the Cloud Map service backend.court.internal only with a new deployment" in told
    assert f"aws ecs update-service --region {TARGET.region} --cluster {TARGET.cluster}" in told
    assert "only with a new deployment" not in " ".join(planned(snapshot()).warnings)


def test_in_another_region_names_stay_and_no_id_of_the_old_one_does() -> None:
    south = TARGET.model_copy(update={"region": "eu-south-1"})
    move = Move(TARGET, south, {})
    new = new_names(SPACE["Arn"], SPACE["Arn"].replace("us-west-2", "eu-south-1").replace("ns-0a1", "ns-far"))
    made = next(each for each in parts_of(moved(snapshot(), move), NOW) if each.kind is Kind.MAP_SERVICE).with_ids(new)
    assert made.body["NamespaceId"] == "ns-far"
    assert REGION not in json.dumps(made.body)


# Names that are taken

TAKEN = "Its Service Connect name orders is taken in the namespace internal"

WANTED = wanted_names(
    part(snapshot({"deployments": serving()}), SERVICE), {CONNECTED["Arn"]: "internal", SPACE["Arn"]: "court.internal"}
)


def test_a_client_needs_no_name() -> None:
    assert wanted_names(part(snapshot(), SERVICE), {CONNECTED["Arn"]: "internal"}) is None
    assert wanted_names(part(snapshot({"deployments": serving()}), SERVICE), {}) is None, "the namespace is not there"


@pytest.mark.parametrize(
    ("names", "says", "not_known"),
    [
        (Names({}, ()), (), ()),
        (Names({"payments": ("srv-1", 2)}, (Neighbour("court/Payments", CONNECT | {"services": []}),)), (), ()),
        (
            Names({"orders": ("srv-1", 2)}, (Neighbour("other/Orders", CONNECT),)),
            ("Its Service Connect name orders is taken in the namespace internal by the service other/Orders: delete",),
            (),
        ),
        (
            Names({}, (Neighbour("other/Shop", CONNECT | {"services": [SERVES | {"discoveryName": "x"}]}),)),
            ("Its client alias shop:80 is taken in the namespace internal by the service other/Shop: give",),
            (),
        ),
        (
            Names({"orders": ("srv-1", 0)}, ()),
            ((f"{TAKEN}: Cloud Map has a service of that name "
             "there, srv-1 with 0 instances, and no service of ECS uses it: delete it (aws servicediscovery"),),
            (),
        ),
        (
            Names({"orders": ("srv-1", 3)}, (), ("ECS did not answer",)),
            ((f"{TAKEN}: Cloud Map has a service of that name "
             "there, srv-1 with 3 instances, and whose it is is not known: free the name, and ask again."),),
            ("Whether its names are free in the namespace internal is not known: ECS did not answer.",),
        ),
    ],
)  # fmt: skip
def test_who_has_taken_a_name_is_told(names: Names, says: tuple[str, ...], not_known: tuple[str, ...]) -> None:
    assert WANTED is not None
    found = taken(WANTED, names)
    assert len(found.blocked) == len(says)
    assert all(sentence.startswith(begins) for sentence, begins in zip(found.blocked, says, strict=True)), found.blocked
    assert found.warnings == not_known


# Once it is made


def test_what_is_registered_is_said_in_numbers() -> None:
    seen = (Registry("backend.court.internal", 1), Registry("orders", None, "denied"), Registry("shop", 3))
    assert unregistered(seen, 1, TARGET) == ""
    missing = unregistered(seen, 3, TARGET)
    assert missing.startswith("1 of 3 tasks are registered in Cloud Map as backend.court.internal. ECS registers them")
    assert registered(seen) == (
        "1 task is registered in Cloud Map as backend.court.internal. "
        "Whether its tasks are registered in Cloud Map as orders is not known: denied. "
        "3 tasks are registered in Cloud Map as shop."
    )
    assert registered(()) == ""


async def test_tasks_that_nobody_finds_are_no_success_and_the_end_says_what_to_do(
    world: World, web: httpx2.AsyncClient
) -> None:
    world.found_by = (Registry("backend.court.internal", 4),)
    name, began = await approved(web), world.recovery.clock.now()
    assert await world.work(name)
    operation = world.operation(name)
    assert operation["result"] == "failed"
    assert "do not find them by name. 4 of 6 tasks are registered in Cloud Map as backend" in operation["sentence"]
    assert "--force-new-deployment" in operation["sentence"]
    assert 300 <= world.recovery.clock.now() - began < 400


async def test_tasks_that_are_registered_late_and_what_is_not_known_are_no_failure(
    world: World, web: httpx2.AsyncClient
) -> None:
    world.found_by = (Registry("backend.court.internal", 0),)
    name = await approved(web)

    def register() -> None:
        assert "It waits: 0 of 6 tasks are registered" in world.operation(name)["sentence"]
        world.found_by = (Registry("backend.court.internal", 6), Registry("orders", None, "Cloud Map was denied"))

    world.recovery.clock.while_asleep.append(register)
    assert await world.work(name)
    operation = world.operation(name)
    assert operation["result"] == "recreated"
    assert (
        "6 tasks are registered in Cloud Map as backend.court.internal. Whether its tasks are" in operation["sentence"]
    )


async def test_a_namespace_that_is_not_answered_for_waits_for_nobody_and_one_that_goes_is_waited_for(
    world: World, web: httpx2.AsyncClient
) -> None:
    name = await approved(web)
    infrastructure = world.recovery.infrastructure
    infrastructure.gone.add("namespace:internal")

    def come_back() -> None:
        assert "the namespace internal was there when the plan was approved" in world.operation(name)["sentence"]
        infrastructure.gone.clear()
        infrastructure.unread["namespace:internal"] = AwsError("Cloud Map did not answer")

    world.recovery.clock.while_asleep.append(come_back)
    assert await world.work(name)
    assert world.operation(name)["result"] == "recreated"


# Drift


def test_another_record_of_its_cloud_map_service_is_drift() -> None:
    live = snapshot(around={"registries": [REGISTRY | {"DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 5}]}}]})
    [told] = drift_of(Side.of(snapshot()), Side.of(live)).differences
    assert told.startswith("DnsConfig of the Cloud Map service backend was ")
    [gone, *_] = drift_of(Side.of(snapshot()), Side.of(snapshot(around={"registries": []}))).differences
    assert "Cloud Map service backend is not set any more" in gone
    earlier = snapshot(without=("registries",))
    assert drift_of(Side.of(earlier), Side.of(snapshot())).differences == ()


# What AWS says, on the simulated one

DESCRIBED: dict[str, Any] = {
    "service": {
        "load_balancers": [],
        "service_registries": [{"namespace": "court.internal", "service": "backend"}],
        "service_connect_configuration": {"namespace": "internal", "services": [{"port_name": "backend"}]},
    },
    "other_services": [
        {
            "service_name": "Shop",
            "load_balancers": [],
            "service_connect_configuration": {
                "namespace": "internal",
                "services": [{"port_name": "backend", "discovery_name": "shop"}],
            },
        }
    ],
    "namespaces": [
        {"name": "court.internal", "services": [{"name": "backend"}]},
        {"name": "internal", "type": "HTTP"},
    ],
}


@contextmanager
def account() -> Iterator[tuple[InProcessAws, Gateway, AwsConnection]]:
    scenario = Scenario.model_validate(
        {"name": "named", "teaches": "-", "world": DESCRIBED, "expect": {"outcome": "succeeded"}}
    )
    aws = InProcessAws(lambda: 1_764_000_000.0, scenario=scenario)
    gateway = aws.open("http://aws.sandbox", "app.sandbox", [80])
    try:
        yield aws, gateway, InProcessConnection(REGION, gateway)
    finally:
        aws.close()


async def test_what_cloud_map_has_of_a_service_is_read_each_by_itself() -> None:
    with account() as (made, gateway, connection):
        aws, ecs = Aws(connection, "recovery"), connection.client("ecs")
        [service] = ecs.describe_services(cluster=HERE.cluster, services=[HERE.service])["services"]
        around, unread = await AwsSurroundings(aws).around(HERE, service)
        [registry] = around["registries"]
        assert (registry["Name"], registry["Arn"]) == ("backend", service["serviceRegistries"][0]["registryArn"])
        assert registry["DnsConfig"] == {"RoutingPolicy": "MULTIVALUE", "DnsRecords": [{"Type": "A", "TTL": 60}]}
        assert registry["Namespace"]["Name"] == "court.internal"
        assert (around["connect_namespace"]["Name"], around["connect_namespace"]["Type"]) == ("internal", "HTTP")
        assert unread == ()
        json.dumps([registry, around["connect_namespace"]])
        names = await names_in(aws, HERE, around["connect_namespace"]["Arn"])
        assert {name: instances for name, (_, instances) in names.services.items()} == {"backend": 3, "shop": 3}
        assert [each.service for each in names.neighbours] == ["CourtCaseCluster/Shop"]
        seen = await AwsDiscovery(aws).registries(HERE, service, {registry["Arn"]: "backend.court.internal"})
        assert seen == (Registry("backend.court.internal", 3), Registry("backend", 3))
        rule = gateway.fault_rules.add(Rule(kind=Harm.DENY, service="servicediscovery"))
        around, unread = await AwsSurroundings(aws).around(HERE, service)
        assert not {"registries", "connect_namespace"} & set(around)
        assert [sentence.partition(":")[0] for sentence in unread] == [
            "Cloud Map did not answer GetService", "Cloud Map did not answer ListNamespaces",
        ]  # fmt: skip
        names = await names_in(aws, HERE, CONNECTED["Arn"])
        assert names.services == {}
        assert any("ListServices" in why for why in names.unread)
        seen = await AwsDiscovery(aws).registries(HERE, service, {})
        assert [each.tasks for each in seen] == [None, None]
        gateway.fault_rules.end(rule)
        lost = made.world.ecs.cloud_map.services
        lost.pop(registry["Id"])
        around, unread = await AwsSurroundings(aws).around(HERE, service)
        assert (around["registries"], unread) == ([], ())
