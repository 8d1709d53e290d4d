"""What the end-to-end tests ask of Surefoot and of the simulated AWS."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import boto3
import httpx2
from aiokafka import AIOKafkaConsumer

from contracts.deployment import DeploymentFinished
from contracts.envelope import Envelope, from_message
from contracts.monitor import CriticalAlert
from contracts.topics import CRITICAL_ALERTS, DEPLOYMENT_EVENTS
from sandbox.aws.call_log import Call
from services._chassis.clock import Pace
from surefoot.arguments import Place
from surefoot.client import Surefoot
from surefoot.rehearsal.rehearse import Rehearsal
from surefoot.wait import end_of

CLUSTER, SERVICE = "CourtCaseCluster", "BackendService"
PLACE = Place(CLUSTER, SERVICE)
REPOSITORY = "123456789012.dkr.ecr.us-west-2.amazonaws.com/backend"
LONGEST = 150.0


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until ``condition`` holds; fail with ``what`` after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def aws(environment: dict[str, str], service: str) -> Any:
    return _client(service, environment["AWS_ENDPOINT_URL"], environment["AWS_REGION"])


@cache
def _client(service: str, endpoint: str, region: str) -> Any:
    """Return the one client of a sandbox's API: to make one takes as long as a hundred calls, and tests ask often."""
    return boto3.client(
        service,  # type: ignore[call-overload]  # any service
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
    )


def described(environment: dict[str, str]) -> dict[str, Any]:
    """The service as AWS describes it."""
    answer = aws(environment, "ecs").describe_services(cluster=CLUSTER, services=[SERVICE])
    service: dict[str, Any] = answer["services"][0]
    return service


def changes(environment: dict[str, str]) -> tuple[Call, ...]:
    """Surefoot's own calls that changed something at AWS, by AWS's log."""
    answer = httpx2.get(f"{environment['AWS_ENDPOINT_URL']}/_sandbox/calls?changing=1", timeout=10)
    return tuple(Call(**one) for one in answer.json() if "surefoot" in one["user_agent"])


async def events_of(environment: dict[str, str], run_id: str) -> tuple[Envelope, ...]:
    """What the bus has of a run, and of critical alerts since it began, until now."""
    consumer: Any = AIOKafkaConsumer(
        DEPLOYMENT_EVENTS.name,
        CRITICAL_ALERTS.name,
        bootstrap_servers=environment["KAFKA_BOOTSTRAP_SERVERS"],
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        events = []
        for partition, end in ends.items():
            while await consumer.position(partition) < end:
                record = await asyncio.wait_for(consumer.getone(partition), 20)
                events.append(from_message(record.headers, record.value))
    finally:
        await consumer.stop()
    began = min(event.meta.time for event in events if _run_of(event) == run_id)
    return tuple(event for event in events if event.meta.time >= began and (_run_of(event) or run_id) == run_id)


def rehearsed(environment: dict[str, str], run: dict[str, Any], before: tuple[Call, ...]) -> Rehearsal:
    """Return a finished run as a rehearsal shows it; ``before`` are the changes until it began."""
    events = asyncio.run(events_of(environment, run["run_id"]))
    (finished,) = (envelope.event for envelope in events if isinstance(envelope.event, DeploymentFinished))
    return Rehearsal(finished, run, events, changes(environment)[len(before) :], run["seconds"])


def _run_of(envelope: Envelope) -> str | None:
    return None if isinstance(envelope.event, CriticalAlert) else getattr(envelope.event, "run_id", None)


def _good_minute_since(environment: dict[str, str], moment: float) -> bool:
    """Whether a minute that began after ``moment`` (product time, epoch seconds) is known, and had few errors.

    With it no rule about two minutes on end is broken by what was before, however late CloudWatch is.
    """
    url = f"{environment['SUREFOOT_URL']}/api/v1/monitoring/metrics/{CLUSTER}/{SERVICE}?hours_back=1"
    series = httpx2.get(url, timeout=20).json()["series"]
    points = {name: dict(map(tuple, series[name]["points"])) for name in ("requests", "target_5xx", "elb_5xx")}
    known = [minute for minute in points["requests"] if datetime.fromisoformat(minute).timestamp() >= moment]
    errors = (points["target_5xx"].get(minute, 0) + points["elb_5xx"].get(minute, 0) for minute in known)
    return any(error < 0.05 * points["requests"][minute] for minute, error in zip(known, errors, strict=True))


def deployed(environment: dict[str, str], image: str, **wanted: Any) -> dict[str, Any]:
    """Deploy a tag of the sandbox's repository, once nothing of an earlier run can be held against it.

    Return the finished run.
    """
    deadline = time.monotonic() + LONGEST
    begun = Pace.parse(environment["SUREFOOT_CLOCK"]).at(time.time())
    while not _good_minute_since(environment, begun):
        assert time.monotonic() < deadline, "there is no minute without errors"
        time.sleep(0.5)
    ours = {"AlarmNamePrefix": "surefoot-", "StateValue": "ALARM"}
    while aws(environment, "cloudwatch").describe_alarms(**ours)["MetricAlarms"]:
        assert time.monotonic() < deadline, "an alarm still fires"
        time.sleep(0.5)
    api = Surefoot(environment["SUREFOOT_URL"])
    body = {"image": f"{REPOSITORY}:{image}", "actor": "tests", **wanted}
    run_id = api.orchestrate(PLACE, body)
    return end_of(api, PLACE, run_id, timeout=LONGEST)
