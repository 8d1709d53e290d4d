"""Several services of the kind, each behind an entrance of its own."""

import boto3
import httpx2

from sandbox.aws.server import SimulatedAws


def test_each_service_is_steady_and_answers_behind_its_own_load_balancer() -> None:
    with SimulatedAws(services=3) as aws:
        session = boto3.Session("test", "test", region_name="us-west-2")
        ecs = session.client("ecs", endpoint_url=aws.endpoint)
        balancing = session.client("elbv2", endpoint_url=aws.endpoint)
        names = ["BackendService", "BackendService-2", "BackendService-3"]
        services = ecs.describe_services(cluster="CourtCaseCluster", services=names)["services"]
        assert [one["runningCount"] for one in services] == [3, 3, 3]
        assert len({one["taskDefinition"] for one in services}) == 3
        groups = {one["loadBalancers"][0]["targetGroupArn"] for one in services}
        assert len(groups) == 3
        ports = set()
        for balancer in balancing.describe_load_balancers()["LoadBalancers"]:
            (listener,) = balancing.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
            ports.add(listener["Port"])
            assert httpx2.get(f"http://{balancer['DNSName']}:{listener['Port']}/health").status_code == 200
        assert len(ports) == 3
