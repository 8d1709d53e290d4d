"""The repository: real digests, manifests and configurations, as ECR hands them out."""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import boto3
import pytest
from botocore.config import Config

from sandbox.aws.ecr.registry import INDEX, MANIFEST, REPOSITORY, Registry
from sandbox.aws.server import SimulatedAws
from sandbox.scenarios.load import images

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

TYPES = [INDEX, MANIFEST]


@pytest.fixture(scope="module")
def ecr() -> Iterator["ECRClient"]:
    with SimulatedAws(clock=lambda: 1_764_000_000.0) as aws:
        config = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 1})
        session = boto3.Session("testing", "testing", region_name="us-west-2")
        yield session.client("ecr", endpoint_url=aws.endpoint, config=config)


def get(ecr: "ECRClient", accepted: list[str], **identity: str) -> Any:
    wanted: Any = [identity]
    return ecr.batch_get_image(repositoryName=REPOSITORY, imageIds=wanted, acceptedMediaTypes=accepted)


def test_every_behaviour_has_a_tag_and_a_digest_of_its_own(ecr: "ECRClient") -> None:
    tags = {one["imageTag"]: one["imageDigest"] for one in ecr.list_images(repositoryName=REPOSITORY)["imageIds"]}
    assert set(tags) == {"1.0", *images()}
    assert len(set(tags.values())) == len(tags)
    details = ecr.describe_images(repositoryName=REPOSITORY)["imageDetails"]
    assert {one["imageDigest"] for one in details} == set(tags.values())


@pytest.mark.parametrize("tag", ["1.0", "healthy", "wrong-architecture"])
def test_a_digest_is_that_of_the_manifest(ecr: "ECRClient", tag: str) -> None:
    image = get(ecr, TYPES, imageTag=tag)["images"][0]
    digest = "sha256:" + sha256(image["imageManifest"].encode()).hexdigest()
    assert image["imageId"] == {"imageDigest": digest, "imageTag": tag}
    assert get(ecr, TYPES, imageDigest=digest)["images"][0]["imageManifest"] == image["imageManifest"]


def test_an_index_has_its_image_and_an_attestation(ecr: "ECRClient") -> None:
    index = json.loads(get(ecr, TYPES, imageTag="healthy")["images"][0]["imageManifest"])
    platforms = [tuple(entry["platform"].values()) for entry in index["manifests"]]
    assert platforms == [("amd64", "linux"), ("unknown", "unknown")]
    inner = get(ecr, TYPES, imageDigest=index["manifests"][0]["digest"])["images"][0]
    assert inner["imageManifestMediaType"] == MANIFEST


def test_where_no_index_is_asked_for_a_tag_has_the_digest_of_its_image(ecr: "ECRClient") -> None:
    index = get(ecr, TYPES, imageTag="healthy")["images"][0]
    image = json.loads(index["imageManifest"])["manifests"][0]["digest"]
    for asked in ({}, {"acceptedMediaTypes": [MANIFEST]}):
        by_tag: Any = {"repositoryName": REPOSITORY, "imageIds": [{"imageTag": "healthy"}], **asked}
        assert ecr.batch_get_image(**by_tag)["images"][0]["imageId"]["imageDigest"] == image
    by_digest: Any = [{"imageDigest": index["imageId"]["imageDigest"]}]
    found = ecr.batch_get_image(repositoryName=REPOSITORY, imageIds=by_digest)["images"][0]
    assert found["imageId"] == {"imageDigest": index["imageId"]["imageDigest"]}


def test_the_architecture_of_a_single_manifest_is_in_its_configuration(ecr: "ECRClient") -> None:
    image = get(ecr, TYPES, imageTag="wrong-architecture")["images"][0]
    assert image["imageManifestMediaType"] == MANIFEST
    configuration = json.loads(image["imageManifest"])["config"]
    url = ecr.get_download_url_for_layer(repositoryName=REPOSITORY, layerDigest=configuration["digest"])["downloadUrl"]
    content = urlopen(url, timeout=5).read()
    assert "sha256:" + sha256(content).hexdigest() == configuration["digest"]
    assert json.loads(content)["architecture"] == "arm64"


def test_what_is_missing_or_not_accepted_is_a_failure(ecr: "ECRClient") -> None:
    assert get(ecr, TYPES, imageTag="nope")["failures"][0]["failureCode"] == "ImageNotFound"
    digest = get(ecr, TYPES, imageTag="healthy")["images"][0]["imageId"]["imageDigest"]
    assert get(ecr, [MANIFEST], imageDigest=digest)["failures"][0]["failureCode"] == "ImageNotFound"
    assert get(ecr, [INDEX], imageTag="wrong-architecture")["failures"][0]["failureCode"] == "ImageNotFound"
    with pytest.raises(ecr.exceptions.RepositoryNotFoundException):
        ecr.describe_images(repositoryName="frontend")
    with pytest.raises(ecr.exceptions.ImageNotFoundException):
        ecr.describe_images(repositoryName=REPOSITORY, imageIds=[{"imageTag": "nope"}])
    with pytest.raises(ecr.exceptions.LayersNotFoundException):
        ecr.get_download_url_for_layer(repositoryName=REPOSITORY, layerDigest="sha256:" + "0" * 64)


def test_a_tag_can_be_moved_and_the_digest_keeps_its_behaviour(ecr: "ECRClient") -> None:
    slow = get(ecr, TYPES, imageTag="slow")["images"][0]
    ecr.put_image(repositoryName=REPOSITORY, imageManifest=slow["imageManifest"], imageTag="2.0")
    assert get(ecr, TYPES, imageTag="2.0")["images"][0]["imageId"]["imageDigest"] == slow["imageId"]["imageDigest"]
    with pytest.raises(ecr.exceptions.ImageAlreadyExistsException):
        ecr.put_image(repositoryName=REPOSITORY, imageManifest=slow["imageManifest"], imageTag="2.0")


def test_a_reference_is_resolved_by_tag_and_by_digest() -> None:
    registry = Registry("123456789012.dkr.ecr.us-west-2.amazonaws.com")
    registry.push("slow", images()["slow"])
    by_tag = registry.resolve(f"{registry.uri}:slow")
    assert by_tag is not None
    assert by_tag.behaviour.name == "slow"
    for reference in (f"{registry.uri}@{by_tag.digest}", f"{registry.uri}:healthy@{by_tag.digest}"):
        assert registry.resolve(reference) == by_tag
    assert registry.resolve(f"{registry.uri}:nope") is None
    assert registry.resolve("docker.io/library/backend:slow") is None
