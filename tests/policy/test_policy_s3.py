"""A policy in S3: one GET for each look, and each failure in a sentence of its own (field point 14)."""

import asyncio
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server import SimulatedAws
from services._policy.parse import MOST_BYTES
from services._policy.read import S3Reader, Unreadable

pytest_plugins = ["sandbox.fixtures"]
WHERE = "s3://policies/prod/surefoot.yaml"
GOOD = b"version: 1\n"


class Bucket:
    """A versioned bucket of the simulated AWS, and the reader's calls of it."""

    def __init__(self, endpoint: str) -> None:
        self.client: Any = boto3.client("s3", region_name=REGION, endpoint_url=endpoint)
        self.client.create_bucket(Bucket="policies", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        self.client.put_bucket_versioning(Bucket="policies", VersioningConfiguration={"Status": "Enabled"})
        self.calls: list[tuple[str, set[str]]] = []
        self.reader = S3Reader(WHERE, self.call, ACCOUNT)

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        assert service == "s3"
        self.calls.append((operation, set(parameters)))
        answer: dict[str, Any] = await asyncio.to_thread(getattr(self.client, operation), **parameters)
        return answer

    def put(self, content: bytes) -> str:
        answer = self.client.put_object(Bucket="policies", Key="prod/surefoot.yaml", Body=content)
        return str(answer["VersionId"])


@pytest.fixture
def bucket(simulated_aws: SimulatedAws) -> Bucket:
    return Bucket(simulated_aws.endpoint)


async def test_the_version_is_that_of_the_content(bucket: Bucket) -> None:
    version = bucket.put(GOOD)
    found = await bucket.reader.read()
    assert [file.content for file in found.files.files] == [GOOD]
    assert (found.version, found.inode) == (version, None)
    assert found.files.files[0].name == WHERE
    assert bucket.calls == [("get_object", {"Bucket", "Key", "ExpectedBucketOwner"})]


async def test_what_has_not_changed_is_not_sent_again(bucket: Bucket) -> None:
    bucket.put(GOOD)
    first = await bucket.reader.read()
    assert await bucket.reader.read() == first
    assert bucket.calls[1] == ("get_object", {"Bucket", "Key", "ExpectedBucketOwner", "IfNoneMatch"})
    version = bucket.put(GOOD + b"# more\n")
    second = await bucket.reader.read()
    assert second.version == version
    assert second.files.digest != first.files.digest


async def test_an_object_that_is_not_there_is_told_and_found_again(bucket: Bucket) -> None:
    with pytest.raises(Unreadable, match=r"is not there \(404, NoSuchKey\)"):
        await bucket.reader.read()
    bucket.put(GOOD)
    await bucket.reader.read()
    bucket.client.delete_object(Bucket="policies", Key="prod/surefoot.yaml")
    with pytest.raises(Unreadable):  # moto leaves out the header that tells of a delete marker; see FAILURES
        await bucket.reader.read()
    bucket.put(GOOD)
    assert (await bucket.reader.read()).files.files[0].content == GOOD


async def test_an_object_that_is_too_large_is_refused(bucket: Bucket) -> None:
    bucket.put(b"#" * (MOST_BYTES + 1))
    with pytest.raises(Unreadable, match=f"more than {MOST_BYTES} bytes"):
        await bucket.reader.read()


def refusal(status: int, code: str, **headers: str) -> ClientError:
    metadata: Any = {
        "HTTPStatusCode": status,
        "HTTPHeaders": {key.replace("_", "-"): text for key, text in headers.items()},
    }
    return ClientError({"Error": {"Code": code, "Message": "secret words"}, "ResponseMetadata": metadata}, "GetObject")


FAILURES: list[tuple[Exception, str]] = [
    (refusal(403, "AccessDenied"), "S3 refuses .* without s3:ListBucket"),
    (refusal(404, "NoSuchKey"), "is not there"),
    (refusal(404, "NoSuchKey", x_amz_delete_marker="true"), "delete marker"),
    (refusal(404, "NoSuchBucket"), "NoSuchBucket"),
    (refusal(503, "SlowDown"), "S3 answered SlowDown"),
    (ConnectTimeoutError(endpoint_url="x"), "did not answer in time"),
    (ReadTimeoutError(endpoint_url="x"), "did not answer in time"),
    (EndpointConnectionError(endpoint_url="x"), "did not answer in time"),
    (NoCredentialsError(), "cannot be asked .* NoCredentialsError"),
]


@pytest.mark.parametrize(("error", "sentence"), FAILURES, ids=lambda case: str(case)[:40])
async def test_each_failure_has_a_sentence(error: Exception, sentence: str) -> None:
    async def call(*_: object, **__: object) -> dict[str, Any]:
        raise error

    with pytest.raises(Unreadable, match=sentence) as unreadable:
        await S3Reader(WHERE, call, ACCOUNT).read()
    assert "secret words" not in str(unreadable.value)


async def test_a_body_that_breaks_off_is_a_failure() -> None:
    class Broken(BytesIO):
        def read(self, *_: object) -> bytes:
            raise ReadTimeoutError(endpoint_url="x")

    async def call(*_: object, **__: object) -> dict[str, Any]:
        return {"Body": Broken(), "ETag": '"x"'}

    with pytest.raises(Unreadable, match="did not answer in time"):
        await S3Reader(WHERE, call, ACCOUNT).read()
