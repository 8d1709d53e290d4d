"""The API's description: errors are described as they are answered, and whatever has a pattern is told in words."""

from collections.abc import Iterator
from typing import Any

import pytest

from contracts.topics import Party
from services._chassis.explanations import PATTERNS
from tests.security.test_fuzz import Installation as OneService
from tests.security.test_fuzz import application


@pytest.fixture(params=(Party.RECOVERY, Party.ORCHESTRATOR), scope="module")
def description(request: pytest.FixtureRequest) -> dict[str, Any]:
    party: Party = request.param
    return application(OneService(party)).openapi()


def operations(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def patterns(part: Any, description: dict[str, Any]) -> Iterator[str]:
    """Yield every pattern in a part of the description, and in what it refers to."""
    if isinstance(part, dict):
        if "$ref" in part:
            yield from patterns(description["components"]["schemas"][part["$ref"].rpartition("/")[2]], description)
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
        for inner in part.values():
            yield from patterns(inner, description)
    elif isinstance(part, list):
        for inner in part:
            yield from patterns(inner, description)


def test_every_error_is_described_as_a_problem(description: dict[str, Any]) -> None:
    answers = {name: operation["responses"] for name, operation in operations(description)}
    assert answers
    assert [name for name, by_status in answers.items() if "422" in by_status] == []
    assert all(by_status["default"]["content"].keys() == {"application/problem+json"} for by_status in answers.values())
    assert [
        name for name in description["components"]["schemas"] if "__" in name or name == "HTTPValidationError"
    ] == []


def test_each_pattern_that_a_caller_may_miss_has_words(description: dict[str, Any]) -> None:
    asked = [[operation.get("parameters"), operation.get("requestBody")] for _, operation in operations(description)]
    assert set(patterns(asked, description)) <= PATTERNS.keys()
