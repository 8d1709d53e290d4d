"""Reads who may use the API: issuers and pipelines, and whether everybody that a role names is there."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError

from contracts.access import Issuer, Pipeline
from contracts.base import Contract
from contracts.policy_file import FileIssuer, FilePipeline
from contracts.suggest import did_you_mean
from services._policy.faults import Fault, Place
from services._policy.merge import Tree, Value, flat
from services._policy.parse import Entry

M = TypeVar("M", bound=Contract)
Note = Callable[[Place, str, str], None]
"""``(place, path, sentence)``: notes a fault."""
_PIPELINE = "pipeline:"


@dataclass(frozen=True, slots=True)
class Identities:
    """Who can be recognised by a token."""

    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    """Name → issuer; no two have the same URL."""
    pipelines: Mapping[str, Pipeline] = field(default_factory=dict)
    """Name → pipeline, in the order of the file."""

    @property
    def lines(self) -> Iterator[str]:
        """Yield a line for each, by which two policies are compared."""
        for kind in (self.issuers, self.pipelines):
            yield from (f"{name} {entry.model_dump_json()}" for name, entry in sorted(kind.items()))


def identities(issuers: Iterable[Entry], pipelines: Iterable[Entry], fault: Note) -> Identities:
    """Return what the entries of all files name; note everything that is wrong with them."""
    known, places = _named(issuers, "issuers", FileIssuer, fault)
    urls: dict[str, str] = {}
    for name, issuer in known.items():
        if (first := urls.setdefault(issuer.url, name)) != name:
            fault(places[name], f"issuers.{name}.url", f"{first} has this address, too: one issuer has one audience")
    found, places = _named(pipelines, "pipelines", FilePipeline, fault)
    for name, pipeline in found.items():
        path = f"pipelines.{name}"
        if pipeline.issuer not in known:
            sentence = f"there is no issuer {pipeline.issuer}{did_you_mean(pipeline.issuer, known)}"
            fault(places[name], f"{path}.issuer", sentence)
        if not pipeline.refs and not pipeline.environments:
            sentence = "name `refs` or `environments`: without either, every branch of the repository is this caller"
            fault(places[name], path, sentence)
    return Identities(known, found)


def _named(entries: Iterable[Entry], key: str, kind: type[M], fault: Note) -> tuple[dict[str, M], dict[str, Place]]:
    found: dict[str, M] = {}
    places: dict[str, Place] = {}
    for entry in entries:
        for name, held in entry.node.value.items() if isinstance(entry.node.value, dict) else ():
            if name in places:
                fault(held.place, f"{key}.{name}", f"the name stands twice, first in {places[name].short}")
                continue
            places[name] = held.place
            try:
                found[name] = kind.model_validate(held.node.plain)
            except ValidationError:
                continue  # the format has a fault for it already
    return found, places


def unknown_pipelines(tree: Tree, known: Identities, path: str) -> Iterator[Fault]:
    """Yield a fault for each pipeline that has a role and is described nowhere."""
    section = tree.get("access", {})
    for role, held in flat(section) if not isinstance(section, Value) else ():
        for caller in held.value if isinstance(held.value, list) and held.place is not None else ():
            name = str(caller).removeprefix(_PIPELINE)
            if str(caller).startswith(_PIPELINE) and name not in known.pipelines and held.place is not None:
                sentence = f"there is no pipeline {name}{did_you_mean(name, known.pipelines)}"
                yield Fault(held.place, f"{path}.access.{role}", sentence)
