"""Each place of moto's inside that is patched or read is still where, and as, it was."""

import inspect
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import moto
import pytest
from moto.applicationautoscaling.models import (
    ApplicationAutoscalingBackend,
    FakeApplicationAutoscalingPolicy,
    applicationautoscaling_backends,
)
from moto.core import utils as moto_time
from moto.ec2.models import subnets
from moto.elbv2 import models as elbv2
from moto.elbv2.exceptions import TargetGroupNotFoundError
from moto.elbv2.utils import make_arn_for_load_balancer
from moto.iam.models import iam_backends
from moto.logs import models as logs
from moto.logs.responses import LogsResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3 import models as s3

from sandbox.aws.accounts import ACCOUNT, HOME, REGION
from sandbox.aws.inprocess import answered_by
from sandbox.aws.logs import api as logs_api
from sandbox.aws.moto.iam import role_of, user_of
from sandbox.aws.moto.patches import forget_everything, patched
from sandbox.aws.server.entrances import Entrances, Network
from sandbox.aws.server.gateway import MOTO_ACCOUNT
from sandbox.aws.server.seed import CLUSTER, SERVICE
from sandbox.aws.server.services import create
from sandbox.aws.world.world import World
from sandbox.scenarios.balancing import USUAL_TARGET_GROUP
from sandbox.scenarios.infrastructure import Infrastructure

START = 1_764_000_000.0
ENTRANCES = Entrances({USUAL_TARGET_GROUP: "arn:of:the:group"})


@pytest.fixture
def world() -> World:
    forget_everything()
    return World(START)


@pytest.fixture
def patches(world: World) -> Iterator[World]:
    with patched({HOME: world}, lambda: world.now):
        yield world


def test_the_version_is_the_one_that_was_patched() -> None:
    assert moto.__version__ == "5.2.5", "read sandbox/aws/moto/patches.py against the new version, then change this"


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (elbv2.ELBv2Backend.describe_target_health, ["self", "target_group_arn", "targets"]),
        (make_arn_for_load_balancer, ["account_id", "lb_id", "name", "region_name"]),
        (elbv2.FakeHealthStatus.__init__,
         ["self", "instance_id", "port", "health_port", "status", "reason", "description"]),
        (ApplicationAutoscalingBackend._ecs_service_exists_for_target, ["self", "r_id"]),
        (FakeApplicationAutoscalingPolicy._generate_ecs_alarms, ["self"]),
        (subnets.Subnet.__dict__["available_ip_address_count"].fget, ["self"]),
        (moto_time.utcnow, []),
        (vars(logs)["EventMessageFilter"].__init__, ["self", "pattern"]),
        (vars(logs)["EventMessageFilter"].matches, ["self", "message"]),
        (LogsResponse.filter_log_events, ["self"]),
        (LogsResponse.start_query, ["self"]),
        (LogsResponse.get_query_results, ["self"]),
        (LogsResponse.describe_queries, ["self"]),
    ],
)  # fmt: skip
def test_what_is_replaced_has_the_parameters_that_it_had(function: Any, parameters: list[str]) -> None:
    assert list(inspect.signature(function).parameters) == parameters


def test_everything_is_put_back(world: World) -> None:
    places = [
        (elbv2.ELBv2Backend, "describe_target_health"),
        (ApplicationAutoscalingBackend, "_ecs_service_exists_for_target"),
        (FakeApplicationAutoscalingPolicy, "_generate_ecs_alarms"),
        (subnets.Subnet, "available_ip_address_count"),
        (s3, "utcnow"),
        (logs, "utcnow"),
    ]
    before = [getattr(*place) for place in places]
    with patched({HOME: world}, lambda: START):
        assert all(getattr(*place) is not old for place, old in zip(places, before, strict=True))
    assert [getattr(*place) for place in places] == before


def test_logs_are_put_back() -> None:
    names = ["filter_log_events", "start_query", "get_query_results", "describe_queries"]
    places = [(logs, "EventMessageFilter"), *((LogsResponse, name) for name in names)]
    before = [getattr(*place) for place in places]
    assert not hasattr(LogsResponse, "stop_query"), "moto has one now"
    undo = logs_api.install(lambda: START)
    assert all(getattr(*place) is not old for place, old in zip(places, before, strict=True))
    undo()
    assert [getattr(*place) for place in places] == before
    assert not hasattr(LogsResponse, "stop_query")


def test_what_is_read_of_a_log_event_is_there() -> None:
    event = logs.LogEvent(5, {"timestamp": 3, "message": "m"})
    known = {"eventId": str(event.event_id), "ingestionTime": 5, "message": "m", "timestamp": 3}
    assert event.to_filter_dict() == known
    assert (event.timestamp, event.message, event.ingestion_time) == (3, "m", 5)


def test_target_health_is_that_of_the_tasks(patches: World) -> None:
    create(patches, Network("vpc-1", ["subnet-1"], "sg-1", "sg-2"), ENTRANCES, Infrastructure())
    backend = elbv2.elbv2_backends[ACCOUNT][REGION]
    patches.step(START + 22)
    states = [one.status for one in backend.describe_target_health("arn:of:the:group", [])]
    assert set(states) <= {"initial"}
    patches.step(START + 90)
    healthy = backend.describe_target_health("arn:of:the:group", [])
    assert [one.status for one in healthy] == ["healthy"] * 3
    asked = backend.describe_target_health("arn:of:the:group", [{"Id": "10.9.9.9"}])
    assert [(one.status, one.reason) for one in asked] == [("unused", "Target.NotRegistered")]
    with pytest.raises(TargetGroupNotFoundError):
        backend.describe_target_health("arn:of:no:group", [])


def test_auto_scaling_knows_our_services(patches: World) -> None:
    create(patches, Network("vpc-1", ["subnet-1"], "sg-1", "sg-2"), ENTRANCES, Infrastructure())
    scaling = applicationautoscaling_backends[ACCOUNT][REGION]
    assert scaling._ecs_service_exists_for_target(f"service/{CLUSTER}/{SERVICE}")
    with pytest.raises(Exception, match="doesn't exist"):
        scaling._ecs_service_exists_for_target(f"service/{CLUSTER}/nobody")


def test_a_network_load_balancer_has_its_own_kind_of_arn(patches: World) -> None:
    del patches
    backend = elbv2.elbv2_backends[ACCOUNT][REGION]
    subnets_ = [subnet.id for subnet in backend.ec2_backend.describe_subnets()[:2]]
    made = [
        backend.create_load_balancer(kind, [], subnets_, loadbalancer_type=kind).arn
        for kind in ("network", "application")
    ]
    assert [arn.partition(":loadbalancer/")[2][:4] for arn in made] == ["net/", "app/"]
    assert list(backend.load_balancers) == made


def test_stamps_are_product_time(patches: World) -> None:
    patches.step(START + 86_400)
    expected = datetime.fromtimestamp(START + 86_400, UTC).replace(tzinfo=None)
    assert [vars(module)["utcnow"]() for module in (s3, logs)] == [expected, expected]


def test_the_header_decides_the_account_in_which_moto_answers(world: World) -> None:
    """The gateway relies on it: moto itself would look for the key that signed."""
    statement = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    iam_backends["210987654321"]["aws"].create_role(
        role_name="entered", assume_role_policy_document=json.dumps({"Statement": [statement]}),
        path="/", permissions_boundary=None, description="", tags=[], max_session_duration="7200",
    )  # fmt: skip
    role = role_of("arn:aws:iam::210987654321:role/entered")
    assert role is not None
    assert (role.name, role.trust["Statement"], role.max_seconds) == ("entered", [statement], 7200)
    assert role_of("arn:aws:iam::210987654321:role/nobody") is None
    moto_itself = DomainDispatcherApplication(create_backend_app)
    found = boto3.Session("testing", "testing", region_name=REGION).client("iam")
    found.meta.events.register("before-send", answered_by(_in_account(moto_itself, "210987654321")))
    assert [one["RoleName"] for one in found.list_roles()["Roles"]] == ["entered"]


def _in_account(app: Any, account: str) -> Any:
    return lambda environ, start: app({**environ, MOTO_ACCOUNT: account}, start)


def test_users_of_every_account_are_known_by_their_keys(world: World) -> None:
    iam = iam_backends["210987654321"]["aws"]
    iam.create_user("us-east-1", "grace")
    key = iam.create_access_key("grace")
    assert user_of(key.access_key_id).arn == "arn:aws:iam::210987654321:user/grace"
    assert user_of("anything").account == ACCOUNT
