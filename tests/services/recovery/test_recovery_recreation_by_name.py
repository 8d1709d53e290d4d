"""A service that others find by Cloud Map or Service Connect is made again on the simulated AWS, and is found."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from benchmarks.denials.recreations import AGENT
from benchmarks.recreations import Course, Recreated, recreated
from sandbox.aws.servicediscovery.registry import CloudMap
from sandbox.scenarios.model import Scenario
from surefoot.rehearsal.stage import Stage

USUAL = Course()
HERE = {"cluster": "CourtCaseCluster", "service": "BackendService"}
WORKER: dict[str, Any] = {"load_balancers": []}
INTERNAL = {"name": "internal", "type": "HTTP"}
SERVES = {"port_name": "backend", "discovery_name": "orders", "client_aliases": [{"port": 80, "dns_name": "orders"}]}
SERVER: dict[str, Any] = {"service_connect_configuration": {"namespace": "internal", "services": [SERVES]}}
CLIENT: dict[str, Any] = {"service_connect_configuration": {"namespace": "internal"}}


def listed(record: str, **registry: Any) -> dict[str, Any]:
    return {"service_registries": [{"namespace": "court.internal", "service": record.lower(), **registry}]}


BRIDGE: dict[str, Any] = {
    "scheduling_strategy": "DAEMON", "launch_type": "EC2", "task_definition": {"network_mode": "bridge"},
}  # fmt: skip
BOTH = "both behind a load balancer"
KINDS: dict[str, dict[str, Any]] = {
    "A": WORKER | listed("A"),
    "SRV": WORKER | listed("SRV", port=8000),
    "SRV of a daemon": WORKER | BRIDGE | listed("SRV", container_name="backend", container_port=8000),
    "server": WORKER | SERVER,
    "client": WORKER | CLIENT,
    BOTH: listed("A") | SERVER,
    "stop before start": WORKER | listed("A") | {
        "desired_count": 2, "deployment_configuration": {"minimum_healthy_percent": 0, "maximum_percent": 100},
    },
    "nobody wanted": WORKER | listed("A") | {"desired_count": 0},
}  # fmt: skip


def scenario(service: dict[str, Any], *harm: dict[str, Any]) -> Scenario:
    records = [{"name": kind.lower(), "dns_records": [{"type": kind, "ttl": 10}]} for kind in ("A", "SRV")]
    spaces = [INTERNAL, {"name": "court.internal", "services": records}]
    world = {"service": service, "namespaces": spaces, "history_days": 0}
    return Scenario.model_validate(
        {
            "name": "again",
            "teaches": "It is found again.",
            "world": world,
            "harm": harm,
            "expect": {"outcome": "succeeded"},
        }
    )


@dataclass
class Seen:
    """What there is of a service by its names, as AWS describes it."""

    then: dict[str, Any] = field(default_factory=dict)
    now: dict[str, Any] = field(default_factory=dict)

    def before(self, stage: Stage) -> None:
        self.then = found(stage)

    def after(self, stage: Stage) -> None:
        self.now = found(stage)


def found(stage: Stage) -> dict[str, Any]:
    ecs, cloud_map = stage.connection.client("ecs"), stage.connection.client("servicediscovery")
    [service] = ecs.describe_services(cluster=HERE["cluster"], services=[HERE["service"]])["services"]
    running = {arn.rpartition("/")[2] for arn in ecs.list_tasks(cluster=HERE["cluster"])["taskArns"]}
    listed = cloud_map.list_services()["Services"]
    registered = {
        each["Name"]: {one["Id"] for one in cloud_map.list_instances(ServiceId=each["Id"])["Instances"]}
        for each in listed
    }
    kept = ("DnsConfig", "HealthCheckCustomConfig")
    live = service["deployments"][0]
    return {
        "running": running,
        "registered": registered,
        "settings": {each["Name"]: {name: each.get(name) for name in kept} for each in listed},
        "registries": service["serviceRegistries"],
        "connect": live.get("serviceConnectConfiguration"),
    }


def again(service: dict[str, Any], course: Course = USUAL, seen: Seen | None = None) -> Recreated:
    seen = seen or Seen()
    return recreated(
        scenario(service),
        course=Course(course.deletes, seen.before, course.gone, seen.after, course.into, course.names, course.others),
    )


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=() if kind == BOTH else pytest.mark.slow) for kind in KINDS])
def test_it_is_made_again_and_found_by_the_names_that_it_had(kind: str) -> None:
    seen = Seen()
    ended = again(KINDS[kind], seen=seen)
    assert ended.finished is not None, ended.refused
    assert ended.finished.result == "recreated", ended.finished.sentence
    assert seen.now["settings"] == seen.then["settings"]
    assert (seen.now["registries"], seen.now["connect"]) == (seen.then["registries"], seen.then["connect"])
    names = set(names_of(KINDS[kind]))
    for name, instances in seen.now["registered"].items():
        assert instances == (seen.now["running"] if name in names else set()), name
        assert (f"tasks are registered in Cloud Map as {name}" in ended.finished.sentence) is (name in names), name
    assert not seen.now["running"] & seen.then["running"]
    assert ended.seconds < 600


def names_of(service: dict[str, Any]) -> Iterable[str]:
    for registry in service.get("service_registries", ()):
        yield registry["service"]
    for each in service.get("service_connect_configuration", {}).get("services", ()):
        yield each["discovery_name"]


def cloud_map(stage: Stage) -> CloudMap:
    return stage.aws.world.ecs.cloud_map


@pytest.mark.slow
def test_a_cloud_map_service_that_is_made_under_its_id_stays_empty_and_the_end_says_what_to_do() -> None:
    def lose(stage: Stage) -> None:
        [lost] = [known.id for known in cloud_map(stage).services.values() if known.name == "a"]
        del cloud_map(stage).services[lost]

    seen = Seen()
    ended = again(KINDS["A"], Course(None, gone=lose), seen)
    assert ended.finished is not None
    assert ended.finished.result == "failed"
    assert [call.operation for call in ended.calls] == ["CreateService"]
    sentence = ended.finished.sentence
    assert "do not find them by name. 0 of 3 tasks are registered in Cloud Map as a.court.internal. ECS" in sentence
    assert "aws ecs update-service --region us-west-2" in sentence
    assert "--force-new-deployment" in sentence
    assert 300 <= ended.seconds < 400


@pytest.mark.slow
def test_a_name_of_service_connect_that_was_left_over_is_told_before_anything_is_made() -> None:
    def leave(stage: Stage) -> None:
        for known in cloud_map(stage).services.values():
            known.owner = known.owner and "nobody"

    ended = again(KINDS["server"], Course(gone=leave))
    assert ended.finished is None
    assert "Its Service Connect name orders is taken in the namespace internal: Cloud Map has a" in ended.refused
    assert "aws servicediscovery delete-service --id srv-" in ended.refused
    assert not ended.calls


@pytest.mark.parametrize(
    ("kind", "space"), [("A", "court.internal"), pytest.param("client", "internal", marks=pytest.mark.slow)]
)
def test_a_namespace_is_its_owners_and_is_not_made(kind: str, space: str) -> None:
    def delete(stage: Stage) -> None:
        lost = {known.id for known in cloud_map(stage).namespaces.values() if known.name == space}
        for id_ in lost:
            del cloud_map(stage).namespaces[id_]
        for service in [known for known in cloud_map(stage).services.values() if known.namespace.id in lost]:
            del cloud_map(stage).services[service.id]

    ended = again(KINDS[kind], Course(gone=delete))
    assert ended.finished is None
    assert f"The namespace {space} cannot be made: it is its owner's: make it first" in ended.refused


@pytest.mark.slow
def test_a_namespace_that_its_owner_has_made_again_stands_for_the_old_one() -> None:
    def make_anew(stage: Stage) -> None:
        known = cloud_map(stage)
        [old] = [each for each in known.namespaces.values() if each.name == "court.internal"]
        del known.namespaces[old.id]
        known.services = {id_: each for id_, each in known.services.items() if each.namespace is not old}
        known.namespaces["ns-anew"] = replace(old, id="ns-anew", arn=f"{known.prefix}:namespace/ns-anew")

    seen = Seen()
    ended = again(KINDS["A"], Course(gone=make_anew), seen)
    assert ended.finished is not None, ended.refused
    assert ended.finished.result == "recreated", ended.finished.sentence
    assert seen.now["registries"] != seen.then["registries"]
    assert seen.now["registered"]["a"] == seen.now["running"] != set()


def harmful(of: str, **rule: Any) -> Scenario:
    return scenario(KINDS[of], {"at": 0, "service": "servicediscovery", "agent": AGENT, **rule})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (BOTH, {"kind": "throttle", "operation": "ListInstances"}),
        ("server", {"kind": "deny"}),
        ("server", {"kind": "hang"}),
    ],
)
def test_where_cloud_map_cannot_be_read_a_service_that_serves_is_no_failure_and_that_is_said(
    kind: str, rule: dict[str, Any]
) -> None:
    ended = recreated(harmful(kind, **rule), course=Course())
    assert ended.finished is not None, ended.refused
    assert ended.finished.result == "recreated", ended.finished.sentence
    assert "Whether its tasks are registered in Cloud Map as orders is not known: " in ended.finished.sentence
    assert ended.seconds < 900
