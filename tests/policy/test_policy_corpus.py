"""Files of each kind: what the loader says of them, and that a schema validator says the same.

``bad/`` is refused by both; ``yaml/`` is no YAML that a policy may be written in, so that no schema is asked;
``cross/`` are the exceptions: what spans several keys, which a JSON Schema cannot tell.
"""

import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no stubs here

from contracts.policy_file import schema
from contracts.publish import POLICY, PUBLISHED, text_of
from services._policy.environment import Environment
from services._policy.faults import PolicyFaults
from services._policy.files import File, Files
from services._policy.load import load
from services._policy.parse import parse

DATA = Path(__file__).parents[1] / "data" / "policies"
EXPECTED = DATA / "faults.txt"
VALIDATOR = Draft202012Validator(schema())


def of_kind(kind: str) -> list[Path]:
    return sorted((DATA / kind).iterdir())


def said_of(path: Path) -> list[str]:
    file = File(f"{path.parent.name}/{path.name}", path.read_bytes())
    try:
        load(Files((file,)), Environment(), None)
    except PolicyFaults as wrong:
        return str(wrong).splitlines()
    return []


def schema_accepts(path: Path) -> bool:
    root, wrong = parse(path.read_bytes(), path.name)
    assert root is not None
    assert not wrong
    return bool(VALIDATOR.is_valid(root.plain))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


def test_the_published_schema_is_that_of_the_loader() -> None:
    assert (PUBLISHED / POLICY).read_text() == text_of(schema())


@pytest.mark.parametrize("path", of_kind("good"), ids=lambda path: path.stem)
def test_loader_and_schema_take_a_good_file(path: Path) -> None:
    assert said_of(path) == []
    assert schema_accepts(path)


@pytest.mark.parametrize("path", of_kind("bad"), ids=lambda path: path.stem)
def test_loader_and_schema_refuse_a_bad_file(path: Path) -> None:
    assert said_of(path) != []
    assert not schema_accepts(path)


@pytest.mark.parametrize("path", of_kind("cross"), ids=lambda path: path.stem)
def test_what_spans_keys_only_the_loader_can_refuse(path: Path) -> None:
    assert said_of(path) != []
    assert schema_accepts(path)


@pytest.mark.parametrize("path", of_kind("yaml"), ids=lambda path: path.stem)
def test_yaml_that_is_read_in_two_ways_is_refused(path: Path) -> None:
    assert said_of(path) != []


def test_each_fault_has_its_line_and_says_what_to_do() -> None:
    """``faults.txt`` is read by people when it changes."""
    said = [line for kind in ("bad", "yaml", "cross") for path in of_kind(kind) for line in said_of(path)]
    assert said == EXPECTED.read_text().splitlines()
    assert all(re.match(r"(bad|yaml|cross)/[\w.-]+:\d+:\d+: .", line) for line in said)


def test_the_schema_forbids_keys_that_it_does_not_know_and_offers_no_null() -> None:
    def maps(node: object) -> list[dict[str, object]]:
        if isinstance(node, list):
            return [found for member in node for found in maps(member)]
        if not isinstance(node, dict):
            return []
        return [node, *(found for member in node.values() for found in maps(member))]

    for found in maps(schema()):
        assert found.get("type") != "null"
        if found.get("type") == "object":
            assert found.get("additionalProperties") is not True
            assert "additionalProperties" in found
