"""Health's adapters, against fakes of AWS's answers and a real socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from services.health.adapters import application as http
from services.health.adapters.application import HttpApplication
from services.health.adapters.ecs import AwsEcs
from services.health.adapters.examination import Examination, Paths
from services.health.adapters.load_balancers import AwsLoadBalancers
from services.health.adapters.metrics import CloudWatch
from services.health.adapters.observation import Observation
from services.health.domain.observed import Answer, Front, Measurements, Rollout, TargetHealth, Unasked
from services.health.domain.watch import Memory
from services.health.ports import Unavailable
from tests.services.health.harness import GROUP, HEALTHY, NOW, OURS, TARGET, FakeEcs, VirtualClock, deployment, service

ALB = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/court/50dc"
FRONT = Front("http://court.elb:80", "app/court/50dc", "targetgroup/backend/1")


class FakeAws:
    """Answers by operation; an exception is raised. Calls are kept."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def call(self, service: str, operation: str, **parameters: Any) -> Any:
        self.calls.append((operation, parameters))
        answer = self.answers[operation]
        if isinstance(answer, Exception):
            raise answer
        return answer(parameters) if callable(answer) else answer

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Any:
        return (await self.call(service, operation, **parameters))[key]


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "secret words"}}, "DescribeServices")


def ecs(**answers: Any) -> AwsEcs:
    aws: Any = FakeAws(**answers)
    return AwsEcs(aws)


@pytest.mark.parametrize(
    "answer",
    [
        {"services": [], "failures": [{"reason": "MISSING"}]},
        {"services": [{"status": "INACTIVE"}]},
        refusal("ClusterNotFoundException"),
    ],
)
async def test_a_service_that_is_not_there(answer: Any) -> None:
    assert await ecs(describe_services=answer).service(TARGET) is None


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (refusal("AccessDeniedException"), "ecs.describe_services: AccessDeniedException"),
        (EndpointConnectionError(endpoint_url="https://x"), "ecs.describe_services: EndpointConnectionError"),
    ],
)
async def test_a_refusal_names_the_operation_and_the_code_only(error: Exception, text: str) -> None:
    with pytest.raises(Unavailable) as raised:
        await ecs(describe_services=error).service(TARGET)
    assert str(raised.value) == text


async def test_stopped_tasks_come_oldest_first_and_a_hundred_at_most() -> None:
    def described(parameters: dict[str, Any]) -> Any:
        assert len(parameters["tasks"]) == 100
        at = [datetime(2025, 11, 24, hour, tzinfo=UTC) for hour in (3, 1)]
        tasks = [{"taskArn": f"task/{one.hour}", "stoppedAt": one, "startedBy": OURS} for one in at]
        return {"tasks": [*tasks, {"taskArn": "task/still-stopping"}]}

    answers = {"list_tasks": {"taskArns": [str(one) for one in range(130)]}, "describe_tasks": described}
    stopped = await ecs(**answers).stopped_tasks(TARGET)
    assert [task.arn for task in stopped] == ["task/1", "task/3"]


def balanced(listeners: list[Any], rules: Any = ()) -> Any:
    return FakeAws(
        describe_target_groups={"TargetGroups": [{"LoadBalancerArns": [ALB]}]},
        describe_listeners={"Listeners": listeners},
        describe_rules={"Rules": list(rules)},
        describe_load_balancers={"LoadBalancers": [{"DNSName": "court.elb"}]},
    )


def listener(protocol: str, port: int, **action: Any) -> dict[str, Any]:
    return {"ListenerArn": f"l/{port}", "Protocol": protocol, "Port": port, "DefaultActions": [action]}


REDIRECT = {"Type": "redirect"}
FORWARD = {"Type": "forward", "TargetGroupArn": GROUP}


@pytest.mark.parametrize(
    ("listeners", "rules", "url"),
    [
        ([listener("HTTP", 80, **FORWARD)], [], "http://court.elb:80"),
        ([listener("HTTPS", 443, **FORWARD), listener("HTTP", 80, **FORWARD)], [], "http://court.elb:80"),
        ([listener("HTTP", 80, **REDIRECT), listener("HTTPS", 443, **FORWARD)], [], "https://court.elb:443"),
        (
            [listener("HTTP", 80, Type="forward", ForwardConfig={"TargetGroups": [{"TargetGroupArn": GROUP}]})],
            [],
            "http://court.elb:80",
        ),
        ([listener("HTTP", 8080, **REDIRECT)], [{"Actions": [FORWARD]}], "http://court.elb:8080"),
        ([listener("HTTP", 80, **REDIRECT)], [{"Actions": [REDIRECT]}], None),
        ([], [], None),
    ],
)
async def test_the_address_is_that_of_the_listener_that_forwards(listeners: Any, rules: Any, url: str | None) -> None:
    front = await AwsLoadBalancers(balanced(listeners, rules)).front(GROUP)
    assert (front and front.url) == url
    if front:
        assert (front.load_balancer, front.target_group) == ("app/court/50dc", "targetgroup/backend/1")


async def test_measurements_are_of_five_full_minutes_that_ended_a_minute_ago() -> None:
    values = {"cpu": [10, 30], "p95": [0.1, 9.0, 0.3], "requests": [100, 50], "target_5xx": [3]}
    aws: Any = FakeAws(
        get_metric_data={"MetricDataResults": [{"Id": name, "Values": points} for name, points in values.items()]}
    )
    measured = await CloudWatch(aws).measure(TARGET, FRONT, NOW + 59)
    assert measured == Measurements(5, cpu=20, p95_seconds=0.3, requests=150, target_5xx=3)
    (_, asked), *_ = aws.calls
    end = (NOW + 59 - 60) // 60 * 60
    assert (asked["StartTime"].timestamp(), asked["EndTime"].timestamp()) == (end - 300, end)
    dimensions = {
        query["Id"]: {one["Name"] for one in query["MetricStat"]["Metric"]["Dimensions"]}
        for query in asked["MetricDataQueries"]
    }
    assert dimensions["requests"] == {"LoadBalancer", "TargetGroup"}
    assert dimensions["balancer_5xx"] == {"LoadBalancer"}
    await CloudWatch(aws).measure(TARGET, None, NOW)
    assert [query["Id"] for query in aws.calls[-1][1]["MetricDataQueries"]] == ["cpu", "memory"]


Respond = Callable[[str], bytes | None]


@pytest.fixture
async def web() -> AsyncIterator[Callable[[Respond], Awaitable[str]]]:
    """A server that answers each path with the bytes given, or with silence (None)."""
    servers: list[asyncio.Server] = []

    async def serve(respond: Respond) -> str:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
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
async def application() -> AsyncIterator[HttpApplication]:
    client = http.client()
    yield HttpApplication(client)
    await client.aclose()


def page(status: int, body: bytes, *more: bytes) -> bytes:
    head = [b"HTTP/1.1 %d X" % status, b"Content-Length: %d" % len(body), b"Connection: close", *more]
    return b"\r\n".join([*head, b"", body])


async def test_the_application_is_asked(web: Any, application: HttpApplication) -> None:
    pages = {
        "/health/ready": page(503, b'{"database": false}'),
        "/plain": page(200, b"hello"),
        "/long": page(200, b"[" + b"1," * 40_000 + b"1]"),
        "/moved": page(302, b"", b"Location: http://127.0.0.1:1/elsewhere"),
        "/garbage": b"what?\r\n\r\n",
    }
    base = await web(pages.get)
    asked = {path: await application.get(base, path) for path in pages}
    assert asked == {
        "/health/ready": Answer(503, {"database": False}),
        "/plain": Answer(200),
        "/long": Answer(200),
        "/moved": Answer(302),
        "/garbage": Answer(None),
    }


async def test_silence_is_an_answer_and_a_closed_port_is_none(
    web: Any, application: HttpApplication, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.05)
    assert await application.get(await web(lambda _: None), "/") == Answer(None)
    with pytest.raises(Unavailable, match="no connection to the application"):
        await application.get(f"http://127.0.0.1:{unused_tcp_port}", "/")


class FakeBalancers:
    def __init__(self, front: Front | None = FRONT, *, dark: bool = False) -> None:
        self._front, self._dark = front, dark

    async def targets(self, group: str) -> tuple[TargetHealth, ...]:
        if self._dark:
            raise Unavailable("elbv2.describe_target_health: Throttling")
        return HEALTHY

    async def front(self, group: str) -> Front | None:
        return self._front


class FakeMetrics:
    async def measure(self, target: Any, front: Any, now: float) -> Measurements:
        return Measurements(5, cpu=1)


class FakeApplication:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def get(self, base: str, path: str) -> Answer:
        self.asked.append(base + path)
        return Answer(200)


def examination(ecs: FakeEcs, balancers: FakeBalancers, **addresses: str) -> Examination:
    paths = Paths("/health", "/health/ready", ("/api/v1/",))
    return Examination(ecs, balancers, FakeMetrics(), FakeApplication(), VirtualClock(), paths, addresses)


async def test_an_examination_asks_everybody() -> None:
    seen = await examination(FakeEcs(), FakeBalancers()).examine(TARGET)
    assert (seen.targets, seen.balanced, seen.health) == (HEALTHY, True, Answer(200))
    assert seen.endpoints == {"/api/v1/": Answer(200)}


async def test_an_examination_without_a_load_balancer_asks_nobody_behind_one() -> None:
    seen = await examination(FakeEcs(service(target_groups=())), FakeBalancers()).examine(TARGET)
    assert (seen.targets, seen.balanced, seen.health, seen.ready, seen.endpoints) == (None, False, None, None, {})


async def test_the_configured_address_wins() -> None:
    looking = examination(FakeEcs(), FakeBalancers(), **{"CourtCase/Backend": "https://court.example"})
    await looking.examine(TARGET)
    assert isinstance(looking.application, FakeApplication)
    assert sorted(looking.application.asked) == [
        "https://court.example/api/v1/",
        "https://court.example/health",
        "https://court.example/health/ready",
    ]


async def test_what_cannot_be_asked_does_not_keep_the_rest_from_being_seen() -> None:
    seen = await examination(FakeEcs(), FakeBalancers(dark=True)).examine(TARGET)
    assert seen.targets == Unasked("elbv2.describe_target_health: Throttling")
    assert seen.health == Answer(200)
    dark = await examination(FakeEcs(unavailable=True), FakeBalancers()).examine(TARGET)
    assert isinstance(dark.service, Unasked)


async def test_an_observation_looks_up_how_our_rollout_ended_only_when_it_was_replaced() -> None:
    ecs = FakeEcs(ended=Rollout("ROLLBACK_SUCCESSFUL"))
    memory = Memory(began_at=NOW, deployment_id=OURS, seen=True, rollout="rollout-2")
    observer = Observation(ecs, FakeBalancers())
    assert (await observer.observe(TARGET, memory, NOW)).rollout is None
    ecs.state = service(deployment("ecs-svc/3"))
    assert (await observer.observe(TARGET, memory, NOW)).rollout == Rollout("ROLLBACK_SUCCESSFUL")
    assert ecs.asked == ["rollout-2"]
    ecs.unavailable = True
    with pytest.raises(Unavailable):
        await observer.observe(TARGET, memory, NOW)
