"""A sandbox that runs builds the same services as a rehearsal does, behind real sockets."""

import httpx2
import pytest

from sandbox.aws.server import SimulatedAws
from sandbox.scenarios.load import parsed

FILE = """
teaches: A service with two load balancers, one of which is internal.
image: {latency: 0, mounted_at: /orders}
running: {latency: 0, mounted_at: /orders}
world:
  clock_ahead: 30
  service: {cluster: shop, service_name: orders, desired_count: 2}
  target_groups: [{health_check_path: /orders/health}]
  load_balancers:
    - listeners:
        - {protocol: HTTPS, port: 443, certificate: shop.example.com}
        - {port: 80, default_actions: [{type: redirect, status_code: HTTP_301, protocol: HTTPS, port: "443"}]}
    - {name: inside, scheme: internal}
expect: {outcome: succeeded}
"""
START = 1_764_000_000.0


def test_each_listener_has_a_port_of_its_own() -> None:
    scenario = parsed(FILE, "two-balancers.yaml")
    with SimulatedAws(clock=lambda: START, scenario=scenario) as aws:
        secure, plain, inside = aws.listeners.all
        url = f"https://{secure.host}:{secure.port}/orders/health"
        assert httpx2.get(url, verify=False).status_code == 200
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx2.get(url)
        moved = httpx2.get(f"http://{plain.host}:{plain.port}/orders/health")
        assert (moved.status_code, moved.headers["location"]) == (301, f"https://{plain.host}/orders/health")
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"http://{inside.host}:{inside.port}/orders/health")
        assert aws.application_url == f"http://{secure.host}:{secure.port}"
        assert aws.now() == START + 30
        assert [service.name for service in aws.world.ecs.services.values()] == ["orders"]
