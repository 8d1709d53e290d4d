"""What the parts name and others own (certificates, keys, topics, volumes) is proved there before anything is made."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import boto3
import pytest

from contracts.base import Target
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, SERVICE
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services.recovery.adapters import recreate_needs
from services.recovery.adapters.recreate_needs import look_at
from services.recovery.domain.readiness import Need
from services.recovery.domain.recreation.recreate_needs import Named, Thing, mounted, named_in, uncovered
from services.recovery.domain.recreation.recreate_plan import parts_of
from services.recovery.domain.snapshots.snapshot import Snapshot
from tests.kit import ScriptedAws, refusal
from tests.services.recovery.harness import TARGET
from tests.services.recovery.recreations import AROUND, DEFINITION, NOW, daemon, planned, snapshot, worker

THERE = Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=SERVICE)
CERTIFICATE = "arn:aws:acm:us-west-2:123456789012:certificate/1"
TOPIC = "arn:aws:sns:us-west-2:123456789012:on-call"
KEY = "arn:aws:kms:us-west-2:123456789012:key/1"
VOLUMES = [
    {"name": "scratch"},
    {"name": "shared", "efsVolumeConfiguration": {
        "fileSystemId": "fs-12345678", "authorizationConfig": {"accessPointId": "fsap-1"}}},
]  # fmt: skip
HOSTS = {"Field": "host-header", "HostHeaderConfig": {"Values": ["court.example.com", "Admin.Example.com"]}}


def whole() -> Snapshot:
    """Return a snapshot whose parts name one of each."""
    [listener], [(arn, [rule, default])] = AROUND["listeners"], AROUND["rules"].items()
    [other, busy] = AROUND["alarms"]
    taken = snapshot(
        around={
            "listeners": [listener | {"Certificates": [{"CertificateArn": CERTIFICATE}]}],
            "rules": {arn: [rule | {"Conditions": [HOSTS]}, default]},
            "alarms": [other | {"AlarmActions": [TOPIC], "OKActions": [TOPIC]}, busy],
            "log_groups": [{"logGroupName": "/ecs/backend", "kmsKeyId": KEY}],
        }
    )
    return taken.model_copy(update={"task_definition": DEFINITION | {"volumes": VOLUMES}})


def test_each_thing_is_found_once_with_the_hosts_of_its_listener_and_the_subnets_of_the_service() -> None:
    assert named_in(parts_of(whole(), NOW)) == (
        Named(Thing.KEY, KEY),
        Named(Thing.CERTIFICATE, CERTIFICATE, hosts=("court.example.com", "Admin.Example.com")),
        Named(Thing.FILE_SYSTEM, "fs-12345678"),
        Named(Thing.MOUNT_TARGET, "fs-12345678", subnets=("subnet-1",)),
        Named(Thing.ACCESS_POINT, "fsap-1"),
        Named(Thing.TOPIC, TOPIC),
    )


def test_what_is_named_only_by_parts_that_stay_is_not_asked_for() -> None:
    parts = [part for part in parts_of(whole(), NOW) if part.kind == "service"]
    assert named_in(parts) == ()


@pytest.mark.parametrize("taken", [daemon(), worker()])
def test_a_service_without_any_of_these_asks_for_none(taken: Snapshot) -> None:
    assert named_in(parts_of(taken, NOW)) == ()


def test_a_name_with_a_star_stands_for_one_label() -> None:
    names = {"*.example.com", "example.com"}
    hosts = ("court.EXAMPLE.com", "a.b.example.com", "example.com", "*.example.com", "example.org")
    assert uncovered(hosts, names) == ("a.b.example.com", "example.org")


@pytest.mark.parametrize(
    ("available", "zones", "there", "warns"),
    [
        ({"a", "b"}, {"a", "b"}, True, ""),
        ({"a"}, {"a", "b"}, True, "in b: tasks there do not start"),
        ({"c"}, {"a", "b"}, False, ""),
        (set(), {"a"}, False, ""),
        ({"a"}, set(), True, ""),
        (set(), set(), False, ""),
    ],
)
def test_a_file_system_is_reached_in_the_zones_of_the_subnets(
    available: set[str], zones: set[str], there: bool, warns: str
) -> None:
    found = mounted(Named(Thing.MOUNT_TARGET, "fs-1", subnets=("s",)), frozenset(available), frozenset(zones))
    assert (found.there, warns in found.beware, bool(found.beware)) == (there, True, bool(warns))


def test_what_is_gone_blocks_with_what_to_do_and_what_it_can_run_without_warns() -> None:
    def need(thing: Thing, name: str, *answer: Any) -> Need:
        return Named(thing, name).need(*answer)

    plan = planned(
        whole(),
        needs=[
            need(Thing.CERTIFICATE, CERTIFICATE, False, "is EXPIRED"),
            need(Thing.FILE_SYSTEM, "fs-1", False),
            need(Thing.TOPIC, TOPIC, False),
            need(Thing.KEY, KEY, None, "KMS did not answer DescribeKey: AccessDenied"),
        ],
    )
    certificate, system = plan.blocked
    assert certificate == (
        f"The certificate {CERTIFICATE} is EXPIRED: let ACM issue one in this region, or import it, or say what stands "
        "for it (--map OLD=NEW), and ask again."
    )
    assert system.startswith("The file system fs-1 is not there: restore it from a backup or a replica, or say")
    assert f"The topic {TOPIC} is not there: alarms that notify it tell nobody until it is made." in plan.warnings
    assert (
        f"Whether the KMS key {KEY} is there is not known: KMS did not answer DescribeKey: AccessDenied."
        in plan.warnings
    )


ALL = named_in(parts_of(whole(), NOW))
STANDS: dict[str, Any] = {
    "describe_certificate": {"Certificate": {"Status": "ISSUED", "DomainName": "*.example.com"}},
    "describe_key": {"KeyMetadata": {"KeyState": "Enabled"}},
    "get_topic_attributes": {},
    "describe_file_systems": {"FileSystems": [{"LifeCycleState": "updating"}]},
    "describe_access_points": {"AccessPoints": [{"LifeCycleState": "available"}]},
    "describe_mount_targets": {"MountTargets": [{"LifeCycleState": "available", "AvailabilityZoneName": "us-west-2a"}]},
    "describe_subnets": {"Subnets": [{"AvailabilityZone": "us-west-2a"}]},
}


async def looked(**answers: Any) -> dict[str, Need]:
    found = await look_at(ScriptedAws(**(STANDS | answers)), TARGET, ALL)
    return {named.thing: need for named, need in zip(ALL, found, strict=True)}


async def test_all_of_it_is_there() -> None:
    assert {(need.there, need.beware) for need in (await looked()).values()} == {(True, "")}


@pytest.mark.parametrize(
    ("thing", "answers", "why"),
    [
        (Thing.CERTIFICATE, {"describe_certificate": {"Certificate": {"Status": "REVOKED"}}}, "is REVOKED"),
        (Thing.CERTIFICATE, {"describe_certificate": refusal("ResourceNotFoundException")}, ""),
        (Thing.KEY, {"describe_key": {"KeyMetadata": {"KeyState": "PendingDeletion"}}}, "is PendingDeletion"),
        (Thing.KEY, {"describe_key": refusal("NotFoundException")}, ""),
        (Thing.TOPIC, {"get_topic_attributes": refusal("NotFound", 404)}, ""),
        (Thing.FILE_SYSTEM, {"describe_file_systems": {"FileSystems": [{"LifeCycleState": "deleting"}]}}, "is in the "),
        (Thing.FILE_SYSTEM, {"describe_file_systems": refusal("FileSystemNotFound", 404)}, ""),
        (Thing.ACCESS_POINT, {"describe_access_points": {"AccessPoints": []}}, ""),
        (Thing.MOUNT_TARGET, {"describe_mount_targets": {"MountTargets": [{"LifeCycleState": "creating"}]}}, ""),
        (Thing.MOUNT_TARGET, {"describe_subnets": {"Subnets": [{"AvailabilityZone": "us-west-2c"}]}}, ""),
    ],
)
async def test_what_is_gone_or_cannot_be_used_is_not_there_and_hides_nothing_else(
    thing: Thing, answers: dict[str, Any], why: str
) -> None:
    found = await looked(**answers)
    assert (found[thing].there, found[thing].why.startswith(why)) == (False, True)
    assert [each for each, need in found.items() if need.there is not True] == [thing]


@pytest.mark.parametrize("operation", sorted(STANDS))
async def test_what_aws_does_not_let_it_read_is_not_known(operation: str) -> None:
    found = await looked(**{operation: refusal("AccessDeniedException")})
    [(_, unknown)] = [(each, need) for each, need in found.items() if need.there is not True]
    assert (unknown.there, "AccessDeniedException" in unknown.why) == (None, True)


async def test_what_hangs_is_not_known_within_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recreate_needs, "WAIT_SECONDS", 0.01)

    class Hanging(ScriptedAws):
        async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
            if service == "acm":
                await asyncio.Event().wait()
            return await super().call(service, operation, **parameters)

    found = await look_at(Hanging(**STANDS), TARGET, ALL)
    assert [need.there for need in found].count(None) == 1


async def test_what_is_of_another_region_or_no_certificate_of_acm_is_not_asked_for() -> None:
    aws = ScriptedAws()
    elsewhere = Named(Thing.TOPIC, TOPIC.replace("us-west-2", "eu-south-1"))
    of_iam = Named(Thing.CERTIFICATE, "arn:aws:iam::123456789012:server-certificate/old")
    found = await look_at(aws, TARGET, [elsewhere, of_iam, Named(Thing.CERTIFICATE, "arn:cert")])
    assert [(need.there, need.why) for need in found] == [
        (None, "it is in eu-south-1"), (None, "it is not of ACM"), (None, "it is not of ACM"),
    ]  # fmt: skip
    assert not aws.calls


async def test_a_certificate_that_does_not_name_a_host_of_its_listener_is_told() -> None:
    found = await looked(describe_certificate={"Certificate": {"Status": "ISSUED", "DomainName": "court.example.com"}})
    assert found[Thing.CERTIFICATE].there
    assert found[Thing.CERTIFICATE].beware == (
        f"the certificate {CERTIFICATE} does not name Admin.Example.com, for which a rule of the listener is made"
    )


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Aws, Any]]:
    with SimulatedAws(clock=lambda: 1_768_228_200.0) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        connection = AwsConnection(REGION)
        yield Aws(connection, "recovery"), partial(boto3.client, region_name=REGION, endpoint_url=aws.endpoint)
        connection.close()


@pytest.mark.slow
async def test_on_aws_what_is_there_and_what_is_gone_is_told_apart(simulated: tuple[Aws, Any]) -> None:
    aws, client = simulated
    subnets = client("ec2").describe_subnets()["Subnets"]
    system = client("efs").create_file_system(CreationToken="it")["FileSystemId"]
    point = client("efs").create_access_point(ClientToken="it", FileSystemId=system)["AccessPointId"]
    client("efs").create_mount_target(FileSystemId=system, SubnetId=subnets[0]["SubnetId"])
    certificate = client("acm").request_certificate(DomainName="court.example.com")["CertificateArn"]
    state = client("acm").describe_certificate(CertificateArn=certificate)["Certificate"]["Status"]
    key = client("kms").create_key()["KeyMetadata"]
    named = [
        Named(Thing.CERTIFICATE, certificate),
        Named(Thing.KEY, key["Arn"]),
        Named(Thing.TOPIC, client("sns").create_topic(Name="on-call")["TopicArn"]),
        Named(Thing.FILE_SYSTEM, system),
        Named(Thing.ACCESS_POINT, point),
        Named(Thing.MOUNT_TARGET, system, subnets=(subnets[0]["SubnetId"],)),
    ]
    first, *others = await look_at(aws, THERE, named)
    assert (first.there, first.why) == ((True, "") if state == "ISSUED" else (False, f"is {state}"))
    assert [need.there for need in others] == [True] * 5
    client("kms").disable_key(KeyId=key["KeyId"])
    gone = [
        Named(Thing.CERTIFICATE, CERTIFICATE),
        named[1],
        Named(Thing.TOPIC, f"{TOPIC}-gone"),
        Named(Thing.FILE_SYSTEM, "fs-0123456789"),
        Named(Thing.ACCESS_POINT, "fsap-0123456789"),
        Named(Thing.MOUNT_TARGET, "fs-0123456789", subnets=(subnets[0]["SubnetId"],)),
    ]
    assert [(need.there, need.why) for need in await look_at(aws, THERE, gone)] == [
        (False, ""), (False, "is Disabled"), (False, ""), (False, ""), (False, ""), (False, ""),
    ]  # fmt: skip
