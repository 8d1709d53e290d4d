"""References are read as Docker reads them, and given back as they were written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.image_reference import EcrRegistry, Reference

DIGEST = "sha256:" + "0f" * 32

component = st.from_regex(r"[a-z0-9]{1,8}(?:(?:\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
repository = st.lists(component, min_size=1, max_size=4).map("/".join)
host = st.from_regex(r"[a-z0-9]{1,6}(?:-[a-z0-9]{1,4})?\.[A-Za-z]{2,6}(?::[0-9]{1,5})?", fullmatch=True)
registry = st.none() | host | st.sampled_from(["localhost", "localhost:5000", "[::1]:5000", "EXAMPLE"])
tag = st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}", fullmatch=True)
digest = st.none() | st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)


@given(registry, repository, tag, digest)
def test_parts_survive_the_round_trip(
    registry: str | None, repository: str, tag: str | None, digest: str | None
) -> None:
    first, slash, _ = repository.partition("/")
    if registry is None and slash and (first == "localhost" or "." in first):
        repository = first.replace(".", "-").replace("localhost", "local") + repository[len(first) :]
    reference = Reference(registry, repository, tag, digest)
    assert Reference.parse(str(reference)) == reference


@given(st.text(max_size=80))
def test_any_text_is_refused_with_a_sentence_or_given_back(text: str) -> None:
    refused = ""
    try:
        Reference.parse(text)
    except ValueError as error:
        refused = str(error)
    assert "is not" in refused if refused else str(Reference.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx", Reference(None, "nginx")),
        ("library/nginx:1.27", Reference(None, "library/nginx", "1.27")),
        ("localhost:5000/app", Reference("localhost:5000", "app")),
        ("localhost:5000/app:2", Reference("localhost:5000", "app", "2")),
        ("localhost/app", Reference("localhost", "app")),
        (f"quay.io/a/b:1@{DIGEST}", Reference("quay.io", "a/b", "1", DIGEST)),
    ],
)
def test_parts(text: str, expected: Reference) -> None:
    assert Reference.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "repository"),
        ("app:", "tag"),
        ("app:-x", "tag"),
        ("app:" + "x" * 129, "tag"),
        ("app@sha256:12", "digest"),
        ("app@", "digest"),
        ("app@sha512:" + "0" * 128, "digest"),
        ("App", "repository"),
        ("a//b", "repository"),
        ("a/", "repository"),
        ("/a", "repository"),
        ("-bad-.example/app", "registry"),
        ("example.org:port/app", "registry"),
        ("app\n", "repository"),
        ("https://example.org/app", "registry"),
        ("user:password@example.org/app", "digest"),
    ],
)
def test_what_is_wrong_is_named(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=f"^the {part} of "):
        Reference.parse(text)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("123456789012.dkr.ecr.us-west-2.amazonaws.com", EcrRegistry("123456789012", "us-west-2")),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", EcrRegistry("123456789012", "us-gov-west-1")),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", EcrRegistry("123456789012", "cn-north-1")),
        ("123456789012.dkr-ecr.us-west-2.on.aws", EcrRegistry("123456789012", "us-west-2")),
        ("public.ecr.aws", None),
        ("12345.dkr.ecr.us-west-2.amazonaws.com", None),
        ("123456789012.dkr.ecr.us-west-2.amazonaws.com.evil.example", None),
    ],
)
def test_ecr_is_known_by_its_host(host: str, expected: EcrRegistry | None) -> None:
    assert Reference.parse(f"{host}/team/app:1").ecr == expected


def test_pinned_drops_the_tag() -> None:
    assert str(Reference.parse("quay.io/a/b:1").pinned(DIGEST)) == f"quay.io/a/b@{DIGEST}"
