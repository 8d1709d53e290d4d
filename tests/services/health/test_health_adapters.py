"""Health's adapters, against fakes of AWS's answers and a real socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services._aws.errors import AwsError
from services._aws.reach import Counted
from services._aws.secrets import Secrets
from services._chassis.web import Address, Web
from services.health.adapters import application as http
from services.health.adapters.application import HttpApplications
from services.health.adapters.ecs import AwsEcs
from services.health.adapters.load_balancers import AwsLoadBalancers
from services.health.adapters.metrics import CloudWatch
from services.health.domain.observed import (
    Answer,
    Deployment,
    Measurements,
    NotObserved,
    Rollout,
    Service,
)
from tests.kit import FakePolicies, ScriptedAws
from tests.services.health.harness import GROUP, NOW, OURS, TARGET

ALB = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/court/50dc"
COUNTED = Counted("app/court/50dc", "targetgroup/backend/1")


async def test_what_ecs_tells_is_what_health_sees() -> None:
    body = {
        "serviceName": "Backend", "status": "ACTIVE", "desiredCount": 3, "runningCount": 2,
        "deployments": [
            {"id": OURS, "status": "PRIMARY", "taskDefinition": "backend:2", "rolloutState": "IN_PROGRESS"}
        ],
        "events": [{"message": "started"}], "loadBalancers": [{"targetGroupArn": GROUP}],
        "currentServiceDeployment": "rollout-2",
    }  # fmt: skip
    seen = await AwsEcs(ScriptedAws(describe_services={"services": [body]})).service(TARGET)
    assert seen == Service(
        desired=3,
        running=2,
        deployments=(Deployment(OURS, "PRIMARY", "backend:2", 0, 0, rollout_state="IN_PROGRESS"),),
        events=("started",),
        target_groups=(GROUP,),
        rollout="rollout-2",
    )


async def test_a_service_that_is_being_deleted_is_seen_and_one_that_was_is_not() -> None:
    body = {"serviceName": "Backend", "status": "DRAINING", "desiredCount": 0, "runningCount": 2}
    seen = await AwsEcs(ScriptedAws(describe_services={"services": [body]})).service(TARGET)
    assert seen is not None
    assert seen.being_deleted == "the service Backend is DRAINING: it is being deleted, and takes no deployment"
    gone = ScriptedAws(describe_services={"services": [body | {"status": "INACTIVE"}]})
    assert await AwsEcs(gone).service(TARGET) is None
    unknown = ScriptedAws(describe_services={"services": [], "failures": [{"reason": "ACCESS_DENIED"}]})
    with pytest.raises(AwsError, match="ACCESS_DENIED"):
        await AwsEcs(unknown).service(TARGET)


async def test_a_stopped_task_tells_each_reason_once() -> None:
    container = {"name": "backend", "reason": "OutOfMemoryError", "exitCode": 137}
    task = {
        "taskArn": "task/1", "startedBy": OURS, "stoppedAt": datetime(2025, 11, 24, tzinfo=UTC),
        "stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
        "containers": [container, container | {"name": "sidecar", "exitCode": None}],
    }  # fmt: skip
    aws = ScriptedAws(list_tasks={"taskArns": ["task/1"]}, describe_tasks={"tasks": [task]})
    (stopped,) = await AwsEcs(aws).stopped_tasks(TARGET)
    assert stopped.reason == "Essential container in task exited; OutOfMemoryError"
    assert stopped.exit_codes == (137,)


async def test_how_a_rollout_ended_may_be_forgotten() -> None:
    there = {"serviceDeployments": [{"status": "ROLLBACK_SUCCESSFUL", "statusReason": "breaker"}]}
    aws = ScriptedAws(describe_service_deployments=there)
    assert await AwsEcs(aws).rollout(TARGET, "rollout-2") == Rollout("ROLLBACK_SUCCESSFUL", "breaker")
    assert aws.asked["describe_service_deployments"] == {"serviceDeploymentArns": ["rollout-2"]}
    forgotten = ScriptedAws(describe_service_deployments={"serviceDeployments": [], "failures": [{}]})
    assert await AwsEcs(forgotten).rollout(TARGET, "rollout-2") is None


def balanced(arn: str, *listeners: dict[str, Any], rule: dict[str, Any] | None = None) -> ScriptedAws:
    return ScriptedAws(
        describe_target_groups={"TargetGroups": [{"TargetGroupArn": GROUP, "LoadBalancerArns": [arn]}]},
        describe_load_balancers={"LoadBalancers": [{"LoadBalancerArn": arn, "DNSName": "court.elb"}]},
        describe_listeners={"Listeners": list(listeners)},
        describe_rules={"Rules": [rule or BY_HOST]},
    )


BY_HOST = {
    "Actions": [{"Type": "forward", "TargetGroupArn": GROUP}],
    "Conditions": [{"Field": "host-header", "Values": ["court.example"]}],
}


async def test_where_users_reach_it_and_who_counts_their_requests() -> None:
    reach = await AwsLoadBalancers(balanced(ALB, {"ListenerArn": "l", "Protocol": "HTTP", "Port": 80})).reach(
        TARGET, (GROUP,)
    )
    assert reach.to("/health") == Address("http://court.elb:80", "court.example")
    assert reach.counted() == (COUNTED,)


async def test_measurements_are_of_five_full_minutes_that_ended_a_minute_ago() -> None:
    values: dict[str, list[float]] = {"cpu": [10, 30], "p95": [0.1, 9.0, 0.3], "requests": [100, 50], "target_5xx": [3]}
    times = [datetime(2025, 11, 24, 1, minute, tzinfo=UTC) for minute in range(3)]
    results = [{"Id": name, "Timestamps": times[: len(of)], "Values": of} for name, of in values.items()]
    aws = ScriptedAws(get_metric_data={"MetricDataResults": results})
    measured = await CloudWatch(aws).measure(TARGET, COUNTED, NOW + 59)
    assert measured == Measurements(5, cpu=20, p95_seconds=0.3, requests=150, target_5xx=3)
    asked = aws.asked["get_metric_data"]
    end = (NOW + 59 - 60) // 60 * 60
    assert (asked["StartTime"].timestamp(), asked["EndTime"].timestamp()) == (end - 300, end)
    dimensions = {
        query["Id"]: {dimension["Name"] for dimension in query["MetricStat"]["Metric"]["Dimensions"]}
        for query in asked["MetricDataQueries"]
    }
    assert dimensions["requests"] == {"LoadBalancer", "TargetGroup"}
    assert dimensions["balancer_5xx"] == {"LoadBalancer"}
    aws.answers["get_metric_data"] = {"MetricDataResults": []}
    await CloudWatch(aws).measure(TARGET, None, NOW)
    assert [query["Id"] for query in aws.asked["get_metric_data"]["MetricDataQueries"]] == ["cpu", "memory"]


@pytest.mark.parametrize(("answered", "error_rate"), [(100.0, 0.0), (60.0, 40.0)])
async def test_behind_a_load_balancer_that_others_use_as_well_their_errors_do_not_count(
    answered: float, error_rate: float
) -> None:
    values = {"requests": 100.0, "target_2xx": answered, "healthy": 2.0, "balancer_5xx": 300.0}
    times = [datetime(2025, 11, 24, 1, minute, tzinfo=UTC) for minute in range(5)]

    def points(asked: Any) -> dict[str, Any]:
        names = [query["Id"] for query in asked["MetricDataQueries"] if query["Id"] in values]
        return {
            "MetricDataResults": [{"Id": name, "Timestamps": times, "Values": [values[name]] * 5} for name in names]
        }

    aws = ScriptedAws(get_metric_data=points)
    shared = replace(COUNTED, shared="it sends requests to other as well")
    measured = await CloudWatch(aws).measure(TARGET, shared, NOW)
    assert measured.error_rate == pytest.approx(error_rate)
    assert measured.requests + measured.balancer_5xx == 500
    assert (await CloudWatch(aws).measure(TARGET, COUNTED, NOW)).error_rate == pytest.approx(75)


Respond = Callable[[str], bytes | None]


@pytest.fixture
async def web() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """A server that answers each path with the bytes given, or with silence (None)."""
    servers: list[asyncio.Server] = []

    async def serve(respond: Respond, heads: list[str] | None = None) -> str:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            if heads is not None:
                heads.append(head.decode())
            answer = respond(head.split(b" ")[1].decode())
            if answer is not None:
                writer.write(answer)
                await writer.drain()
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

    yield serve
    for server in servers:
        server.close()


@pytest.fixture
async def application() -> AsyncIterator[HttpApplications]:
    web = Web(http.AGENT)
    yield HttpApplications(web, Secrets(ScriptedAws(), FakePolicies()))
    await web.close()


def page(status: int, body: bytes, *more: bytes) -> bytes:
    head = [b"HTTP/1.1 %d X" % status, b"Content-Length: %d" % len(body), b"Connection: close", *more]
    return b"\r\n".join([*head, b"", body])


async def test_the_application_is_asked(web: Any, application: HttpApplications) -> None:
    pages = {
        "/health/ready": page(503, b'{"database": false}'),
        "/plain": page(200, b"hello"),
        "/long": page(200, b"[" + b"1," * 40_000 + b"1]"),
        "/moved": page(302, b"", b"Location: http://127.0.0.1:1/elsewhere"),
        "/login": page(302, b"", b"Location: https://login.example/"),
        "/garbage": b"what?\r\n\r\n",
    }
    base = await web(pages.get)
    asked = {path: await application.get(Address(base), path) for path in pages}
    assert asked == {
        "/health/ready": Answer(503, {"database": False}),
        "/plain": Answer(200),
        "/long": Answer(200),
        "/moved": Answer(302),
        "/login": None,
        "/garbage": Answer(None),
    }


async def test_silence_is_an_answer_and_a_closed_port_is_none(
    web: Any, application: HttpApplications, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.05)
    assert await application.get(Address(await web(lambda _: None)), "/") == Answer(None)
    closed = await application.get(Address(f"http://127.0.0.1:{unused_tcp_port}"), "/")
    assert closed == NotObserved("no connection to the application (ConnectError)")
    inside = Address(f"http://127.0.0.1:{unused_tcp_port}", internal="court")
    assert await application.get(inside, "/") is None


async def test_a_rule_s_host_is_asked_for_by_its_name(web: Any, application: HttpApplications) -> None:
    heads: list[str] = []
    base = await web(lambda _: page(200, b""), heads)
    assert await application.get(Address(base, "court.example"), "/") == Answer(200)
    assert await application.get(Address(base), "/") == Answer(200)
    hosts = [line for head in heads for line in head.lower().split("\r\n") if line.startswith("host:")]
    assert hosts == ["host: court.example", f"host: {base.removeprefix('http://').rstrip('/')}"]
