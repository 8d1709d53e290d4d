"""Cloud Map and Service Connect of the simulated AWS: who is registered, and what is refused."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.built import ECR, Built, built

ALIAS = {"port": 80, "dns_name": "orders"}
CONNECT = {"namespace": "internal", "services": [{"port_name": "backend", "client_aliases": [ALIAS]}]}
INTERNAL: dict[str, Any] = {"name": "internal", "type": "HTTP"}
SERVER: dict[str, Any] = {"namespaces": [INTERNAL], "service": {"service_connect_configuration": CONNECT}}
HERE = {"cluster": "CourtCaseCluster", "service": "BackendService"}


def found_by(record: str, **registry: Any) -> dict[str, Any]:
    named = {"name": "orders", "dns_records": [{"type": record, "ttl": 10}]}
    service = {"service_registries": [{"namespace": "court.internal", "service": "orders", **registry}]}
    return {"namespaces": [{"name": "court.internal", "services": [named]}], "service": service}


def instances(made: Built, service: str) -> dict[str, dict[str, str]]:
    found = made.client("servicediscovery").list_instances(ServiceId=service.rpartition("/")[2])["Instances"]
    return {each["Id"]: each["Attributes"] for each in found}


def ids(made: Built) -> set[str]:
    return {task["taskArn"].rpartition("/")[2] for task in made.tasks()}


@pytest.mark.parametrize(
    ("described", "port"), [(found_by("A"), None), (found_by("SRV", port=8000), "8000"), (SERVER, "8000")]
)
def test_a_task_that_runs_is_registered_and_one_that_stops_is_not(described: dict[str, Any], port: str | None) -> None:
    """ECS developer guide, "Use service discovery to connect Amazon ECS services with DNS names"."""
    with built(described) as made:
        live = made.service()["deployments"][0]
        arn = (made.service()["serviceRegistries"] or [{}])[0].get("registryArn")
        arn = arn or live["serviceConnectResources"][0]["discoveryArn"]
        assert set(instances(made, arn)) == ids(made)
        (first, *_) = instances(made, arn).values()
        assert (first.get("AWS_INSTANCE_PORT"), first["ECS_SERVICE_NAME"]) == (port, "BackendService")
        stopped = ids(made).pop()
        made.ecs.stop_task(cluster=HERE["cluster"], task=stopped)
        made.aws.step(1)
        assert stopped not in instances(made, arn)
        made.aws.step(400)
        assert set(instances(made, arn)) == ids(made)
        assert len(ids(made)) == 3


@pytest.mark.slow
def test_a_service_of_cloud_map_that_is_made_again_has_its_id_and_stays_empty_until_the_next_deployment() -> None:
    with built(found_by("A")) as made:
        arn, cloud_map = made.service()["serviceRegistries"][0]["registryArn"], made.client("servicediscovery")
        named = arn.rpartition("/")[2]
        service = cloud_map.get_service(Id=named)["Service"]
        assert (service["InstanceCount"], service["DnsConfig"]["DnsRecords"]) == (3, [{"Type": "A", "TTL": 10}])
        with pytest.raises(ClientError, match="ResourceInUse"):
            cloud_map.delete_service(Id=named)
        for instance in instances(made, arn):
            cloud_map.deregister_instance(ServiceId=named, InstanceId=instance)
        cloud_map.delete_service(Id=named)
        with pytest.raises(ClientError, match="ServiceNotFound"):
            cloud_map.get_service(Id=named)
        again = {name: service[name] for name in ("Name", "NamespaceId", "DnsConfig", "HealthCheckCustomConfig")}
        assert cloud_map.create_service(**again)["Service"]["Id"] == named
        with pytest.raises(ClientError, match="ServiceAlreadyExists"):
            cloud_map.create_service(**again)
        made.aws.step(600)
        assert instances(made, arn) == {}
        made.ecs.update_service(**HERE, forceNewDeployment=True)
        made.aws.step(600)
        assert set(instances(made, arn)) == ids(made)


@pytest.mark.slow
def test_ecs_takes_no_registry_that_is_not_there_or_lacks_a_port() -> None:
    with built({**found_by("SRV", port=8000)}) as made:
        [registry] = made.service()["serviceRegistries"]
        gone = {**registry, "registryArn": registry["registryArn"][:-4] + "none"}
        with pytest.raises(ClientError, match="ServiceNotFound"):
            made.ecs.update_service(**HERE, serviceRegistries=[gone])
        with pytest.raises(ClientError, match="SRV"):
            made.ecs.update_service(**HERE, serviceRegistries=[{"registryArn": registry["registryArn"]}])


def test_a_name_of_service_connect_is_taken_until_its_service_has_no_task() -> None:
    with built(SERVER) as made:
        service = made.service()
        connect: Any = service["deployments"][0]["serviceConnectConfiguration"]
        assert made.ecs.list_services_by_namespace(namespace="internal")["serviceArns"] == [service["serviceArn"]]
        kept = ("taskDefinition", "networkConfiguration", "launchType")
        body = {name: service[name] for name in kept} | {"cluster": HERE["cluster"], "desiredCount": 1}

        def create(name: str, **changes: Any) -> None:
            made.ecs.create_service(**body, serviceName=name, serviceConnectConfiguration=connect | changes)

        with pytest.raises(ClientError, match="SC service is already used by arn:aws:servicediscovery"):
            create("Other")
        renamed = [{**connect["services"][0], "discoveryName": "others"}]
        with pytest.raises(ClientError, match="orders:80 is already used"):
            create("Other", services=renamed)
        with pytest.raises(ClientError, match="NamespaceNotFoundException"):
            create("Other", namespace="nowhere")
        with pytest.raises(ClientError, match="portName web does not exist"):
            create("Other", services=[{"portName": "web"}])
        create("Client", services=[])
        assert len(made.ecs.list_services_by_namespace(namespace="internal")["serviceArns"]) == 2
        made.ecs.delete_service(**HERE, force=True)
        with pytest.raises(ClientError, match="already used"):
            create("Other")
        made.aws.step(600)
        create("Other")


@pytest.mark.slow
def test_the_namespace_of_a_cluster_is_that_of_its_services() -> None:
    """ECS API reference, ClusterServiceConnectDefaultsRequest."""
    with built({"namespaces": [INTERNAL]}) as made:
        made.ecs.create_cluster(clusterName=HERE["cluster"], serviceConnectDefaults={"namespace": "internal"})
        [cluster] = made.ecs.describe_clusters(clusters=[HERE["cluster"]])["clusters"]
        assert cluster["serviceConnectDefaults"] == {"namespace": "internal"}
        made.ecs.update_service(**HERE, serviceConnectConfiguration={"enabled": True})
        assert made.service()["deployments"][0]["serviceConnectConfiguration"]["namespace"] == "internal"
        made.deploy(f"{ECR}/backend:healthy")


def test_namespaces_are_listed_by_name_and_one_with_services_is_not_deleted() -> None:
    with built(found_by("A")) as made:
        cloud_map = made.client("servicediscovery")
        begun = cloud_map.create_http_namespace(Name="other")["OperationId"]
        operation = cloud_map.get_operation(OperationId=begun)["Operation"]
        named = [{"Name": "NAME", "Values": ["other"], "Condition": "EQ"}]
        [other] = cloud_map.list_namespaces(Filters=named)["Namespaces"]
        assert (operation["Status"], operation["Targets"]) == ("SUCCESS", {"NAMESPACE": other["Id"]})
        assert len(cloud_map.list_namespaces()["Namespaces"]) == 2
        [own] = [each for each in cloud_map.list_namespaces()["Namespaces"] if each["Type"] == "DNS_PRIVATE"]
        of = [{"Name": "NAMESPACE_ID", "Values": [own["Id"]], "Condition": "EQ"}]
        assert [each["Name"] for each in cloud_map.list_services(Filters=of)["Services"]] == ["orders"]
        with pytest.raises(ClientError, match="ResourceInUse"):
            cloud_map.delete_namespace(Id=own["Id"])
        cloud_map.delete_namespace(Id=other["Id"])
        with pytest.raises(ClientError, match="NamespaceNotFound"):
            cloud_map.get_namespace(Id=other["Id"])
        with pytest.raises(ClientError, match="NamespaceAlreadyExists"):
            cloud_map.create_private_dns_namespace(Name="court.internal", Vpc="vpc-1")
