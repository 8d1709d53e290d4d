"""The bucket as S3 has it: signatures beside the snapshots, a KMS key by setting, and what protects it."""

from collections.abc import Iterator

import pytest

from contracts.base import Target
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import BACKUP_BUCKET
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services.recovery.adapters.bucket import Bucket
from services.recovery.adapters.bucket_check import BucketCheck
from services.recovery.domain.snapshots.proof import StoredObject
from services.recovery.settings import Settings

TARGET = Target(account=ACCOUNT, region=REGION, cluster="c", service="s")
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b"
ID = "20260112_143000_00000000"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    with SimulatedAws() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        connection = AwsConnection(REGION)
        yield Aws(connection, "recovery")
        connection.close()


async def test_the_signature_lies_beside_the_bytes_and_the_key_of_the_setting_encrypts(calls: Aws) -> None:
    bucket, stored = Bucket(calls, BACKUP_BUCKET, ACCOUNT, KEY), StoredObject(b"{}", b"0123456789abcdef:c2lnbmVk")
    assert await bucket.put(TARGET, ID, stored)
    assert await bucket.get(TARGET, ID) == stored
    assert not await bucket.put(TARGET, ID, StoredObject(b"[]"))
    kept = await calls.call("s3", "head_object", Bucket=BACKUP_BUCKET, Key=f"snapshots/{TARGET}/{ID}.json")
    assert (kept["ServerSideEncryption"], kept["SSEKMSKeyId"]) == ("aws:kms", KEY)
    assert await bucket.put(TARGET, ID, StoredObject(b"[]"), again=True)
    assert await bucket.get(TARGET, ID) == StoredObject(b"[]")


async def test_the_targets_are_those_of_which_there_is_something(calls: Aws) -> None:
    bucket = Bucket(calls, BACKUP_BUCKET)
    assert await bucket.targets() == []
    await bucket.put(TARGET, ID, StoredObject(b"{}"))
    await calls.call("s3", "put_object", Bucket=BACKUP_BUCKET, Key="snapshots/by/hand/x.json", Body=b"")
    await calls.call("s3", "put_object", Bucket=BACKUP_BUCKET, Key="policies/a.yaml", Body=b"")
    assert await bucket.targets() == [TARGET]


async def test_what_protects_the_bucket_is_looked_at_and_what_is_missing_is_named(calls: Aws) -> None:
    check = BucketCheck(Bucket(calls, BACKUP_BUCKET, ACCOUNT))
    assert await check.faults() == []
    versions_off = {"Status": "Suspended"}
    await calls.call("s3", "put_bucket_versioning", Bucket=BACKUP_BUCKET, VersioningConfiguration=versions_off)
    blocks = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
    half = blocks | {"BlockPublicPolicy": False}
    await calls.call("s3", "put_public_access_block", Bucket=BACKUP_BUCKET, PublicAccessBlockConfiguration=half)
    public, versions = await check.faults()
    assert public == "it does not block all public access (BlockPublicPolicy)"
    assert versions.startswith("it keeps no versions")
    await calls.call("s3", "delete_public_access_block", Bucket=BACKUP_BUCKET)
    assert "RestrictPublicBuckets" in (await check.faults())[0]


async def test_what_cannot_be_looked_at_is_told_and_stops_nothing(calls: Aws) -> None:
    faults = await BucketCheck(Bucket(calls, "nobodys-bucket")).faults()
    assert len(faults) == 2
    assert all(fault.startswith("how it is protected is not known (") for fault in faults)


@pytest.mark.parametrize(
    "key", [KEY, "alias/surefoot", "1234abcd-12ab-34cd-56ef-1234567890ab", KEY.replace("key/0a1b", "alias/a")]
)
def test_a_key_may_be_named_as_kms_names_it(key: str) -> None:
    assert Settings(backup_bucket="b-b", backup_kms_key=key).backup_kms_key == key


@pytest.mark.parametrize("key", ["a key", "arn:aws:s3:::bucket", "https://kms"])
def test_what_is_no_key_stops_the_start(key: str) -> None:
    with pytest.raises(ValueError, match="backup_kms_key"):
        Settings(backup_bucket="b-b", backup_kms_key=key)
