"""What is published can still be read, and still holds."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no stubs here

from contracts import publish
from contracts.base import Event
from contracts.catalogue import CATALOGUE, Entry
from contracts.compatibility import breaks
from contracts.publish import PUBLISHED, examples_of, published_as, schema_of
from contracts.topics import DEPLOYMENT_EVENTS, Party

each = pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.type)


def contains(now: Any, then: Any) -> bool:
    """Whether everything that was written is there, unchanged; new fields may stand beside it."""
    if isinstance(then, dict) and isinstance(now, dict):
        return all(name in now and contains(now[name], value) for name, value in then.items())
    if isinstance(then, list) and isinstance(now, list):
        return len(now) == len(then) and all(map(contains, now, then))
    return bool(now == then and type(now) is type(then))


@each
def test_each_published_example_is_read_and_written_without_loss(entry: Entry) -> None:
    assert examples_of(entry.type)
    for text in examples_of(entry.type):
        event = entry.contract.model_validate_json(text)
        written = event.model_dump_json()
        assert contains(json.loads(written), json.loads(text))
        again = entry.contract.model_validate_json(written)
        assert again == event
        assert again.model_dump_json() == written


@each
def test_the_published_schema_takes_its_examples_and_what_we_write(entry: Entry) -> None:
    schema = published_as(entry.type)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for text in examples_of(entry.type):
        event = entry.contract.model_validate_json(text)
        for document in (json.loads(text), json.loads(event.model_dump_json())):
            assert [error.message for error in validator.iter_errors(document)] == []
    assert not validator.is_valid({})


@each
def test_no_contract_broke_since_it_was_published(entry: Entry) -> None:
    assert breaks(published_as(entry.type), schema_of(entry)) == ()


def test_nothing_else_is_published() -> None:
    assert publish.violations(PUBLISHED) == []


# publishing itself, of a catalogue of one


class Weather(Event):
    degrees: int


class ColderWeather(Event):
    degrees: int
    snow: bool


class RicherWeather(Event):
    degrees: int
    snow: bool = False


def entry_of(contract: type[Event]) -> Entry:
    parties = frozenset({Party.CI})
    return Entry("weather.v1", contract, DEPLOYMENT_EVENTS, parties, parties)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ``Weather`` was published."""
    target = {"account": "123456789012", "region": "us-west-2", "cluster": "Main", "service": "api"}
    (tmp_path / "schemas").mkdir()
    example = {"target": target, "degrees": 3}
    (tmp_path / "schemas" / "weather.v1.json").write_text(json.dumps({"examples": [example]}))
    assert run(tmp_path, Weather, monkeypatch) == 0
    return tmp_path


def run(shelf: Path, contract: type[Event], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    entries = (entry_of(contract),)
    monkeypatch.setattr(publish.violations, "__defaults__", (entries,))
    monkeypatch.setattr(publish.outdated, "__defaults__", (entries,))
    return publish.main(list(arguments), shelf)


def schema_text(shelf: Path) -> str:
    return (shelf / "schemas" / "weather.v1.json").read_text()


def test_publishing_writes_once(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = published_as("weather.v1", shelf)
    assert [example["degrees"] for example in published.pop("examples")] == [3]
    assert published == schema_of(entry_of(Weather))
    assert run(shelf, Weather, monkeypatch, "--check") == 0


def test_growth_has_to_be_published(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(shelf, RicherWeather, monkeypatch, "--check") == 1
    assert "weather.v1: run python -m contracts.publish" in capsys.readouterr().err
    before = examples_of("weather.v1", shelf)
    assert run(shelf, RicherWeather, monkeypatch) == 0
    assert "snow" in published_as("weather.v1", shelf)["properties"]
    assert examples_of("weather.v1", shelf) == before


def test_a_break_is_refused_and_nothing_is_written(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = schema_text(shelf)
    assert run(shelf, ColderWeather, monkeypatch) == 1
    said = capsys.readouterr().err
    assert "weather.v1: data.snow: new and required" in said
    assert "the example cannot be read any more" in said
    assert schema_text(shelf) == before


def test_an_example_is_demanded(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without = {key: value for key, value in published_as("weather.v1", shelf).items() if key != "examples"}
    for text in (None, json.dumps(without), json.dumps(without | {"examples": []})):
        file = shelf / "schemas" / "weather.v1.json"
        file.unlink() if text is None else file.write_text(text)
        assert run(shelf, Weather, monkeypatch) == 1
        assert "schemas/weather.v1.json" in capsys.readouterr().err


def test_a_type_that_left_the_catalogue_is_named(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (shelf / "schemas" / "tide.v1.json").write_text("{}")
    assert run(shelf, Weather, monkeypatch) == 1
    assert "tide.v1: the type was removed" in capsys.readouterr().err
