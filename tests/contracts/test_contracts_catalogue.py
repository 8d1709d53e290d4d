"""The table of events is whole."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import contracts.catalogue
from contracts import topics
from contracts.base import Event
from contracts.catalogue import (
    CATALOGUE,
    Entry,
    entry_of,
    entry_of_type,
    read_by,
    topics_of,
)
from contracts.topics import COMMAND_TOPICS, DEPLOYMENT_EVENTS, PHASE_RESULTS, TOPICS, Party

ROOT = Path(__file__).parents[2]


def leaves(contract: type[Event]) -> Iterator[type[Event]]:
    """Those that nobody builds upon; tests make classes of their own."""
    below = [one for one in contract.__subclasses__() if one.__module__.startswith("contracts.")]
    if not below:
        yield contract
    for one in below:
        yield from leaves(one)


def test_every_event_is_in_the_table_and_once() -> None:
    listed = Counter(entry.contract for entry in CATALOGUE if issubclass(entry.contract, Event))
    assert set(listed) == set(leaves(Event))
    assert set(listed.values()) == {1}
    assert max(Counter(entry.type for entry in CATALOGUE).values()) == 1


@pytest.mark.parametrize(("writers", "readers"), [(set(), {Party.CI}), ({Party.CI}, set()), (set(), set())], ids=str)
def test_an_event_without_writer_or_reader_is_refused(writers: set[Party], readers: set[Party]) -> None:
    with pytest.raises(ValueError, match=r"rain\.v1 needs a writer and a reader"):
        Entry("rain.v1", Event, DEPLOYMENT_EVENTS, frozenset(writers), frozenset(readers))


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.type)
def test_each_entry(entry: Entry) -> None:
    assert entry.writers
    assert entry.readers
    assert entry.topic in TOPICS
    name, _, version = entry.type.rpartition(".")
    assert entry.name == name
    assert version == "v1"
    assert name == name.lower().replace("_", "-").strip("-")
    assert entry_of_type(entry.type) is entry_of(entry.contract) is entry


def test_who_is_commanded_reads_it_and_nobody_else() -> None:
    commands = [entry for entry in CATALOGUE if entry.topic in COMMAND_TOPICS]
    assert commands
    for entry in commands:
        assert entry.readers == {COMMAND_TOPICS[entry.topic]}
        assert entry.writers == {Party.ORCHESTRATOR}
        assert "run_id" in entry.contract.model_fields


def test_who_is_commanded_answers() -> None:
    answered = entry_of_type("step-finished.v1")
    assert answered is not None
    assert answered.topic is PHASE_RESULTS
    assert answered.writers == set(COMMAND_TOPICS.values())


def test_every_topic_carries_something_and_has_its_own_name() -> None:
    assert {entry.topic for entry in CATALOGUE} == set(TOPICS)
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
    declared = [value for value in vars(topics).values() if isinstance(value, topics.Topic)]
    assert set(declared) == set(TOPICS)


def test_subscriptions_follow_from_the_table() -> None:
    for party in Party:
        subscribed = topics_of(party)
        assert len(set(subscribed)) == len(subscribed)
        assert set(subscribed) == {entry.topic for entry in CATALOGUE if party in entry.readers}
        assert set(read_by(party)) == {entry for entry in CATALOGUE if party in entry.readers}
    assert topics_of(Party.OPTIMIZER) == (topics.OPTIMIZER_COMMANDS,)


def test_what_is_not_in_the_table_is_unknown() -> None:
    assert entry_of_type("rain.v1") is None
    assert entry_of_type("") is None
    with pytest.raises(KeyError):
        entry_of(Event)


def test_services_have_the_names_of_their_folders() -> None:
    folders = {path.parent.name for path in (ROOT / "services").glob("*/__main__.py")}
    assert {service.value for service in topics.SERVICES} == folders
    assert set(topics.SERVICES) - {Party.ORCHESTRATOR} >= contracts.catalogue.COMMANDED_SERVICES
