"""Manifests as registries hold them."""

import json

import pytest

from services.validator.domain.manifest import Index, Platform, Single, read_configuration, read_manifest


def index(*platforms: dict[str, str] | None) -> str:
    entries = [{"digest": "sha256:1", **({"platform": platform} if platform else {})} for platform in platforms]
    return json.dumps({"schemaVersion": 2, "manifests": entries})


def test_an_index_lists_its_platforms_without_attestations() -> None:
    text = index(
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
        {"os": "unknown", "architecture": "unknown"},
    )
    assert read_manifest(text) == Index(frozenset({Platform("linux", "amd64"), Platform("linux", "arm64")}))


def test_a_single_manifest_names_its_configuration() -> None:
    assert read_manifest('{"schemaVersion": 2, "config": {"digest": "sha256:c"}}') == Single("sha256:c")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"manifests": []}',
        '{"manifests": 7}',
        '{"config": {}}',
        index(None),
        index({"os": "unknown", "architecture": "unknown"}),
    ],
)
def test_what_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^its "):
        read_manifest(text)


def test_the_configuration_tells_the_platform() -> None:
    blob = b'{"architecture": "arm64", "os": "linux", "config": {"Env": ["SECRET=1"]}}'
    assert read_configuration(blob) == Platform("linux", "arm64")


@pytest.mark.parametrize("blob", [b"", b"\xff", b"{}", b'{"architecture": "amd64"}', b'{"name": "a helm chart"}'])
def test_a_configuration_without_platform_is_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match="configuration"):
        read_configuration(blob)
