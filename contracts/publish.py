"""The published contracts: for each event a JSON Schema with examples, and the policy file's schema.

``python -m contracts.publish`` writes the schemas, unless a contract would break. With ``--check`` it writes
nothing and prints what is not up to date. The examples are events as they are sent. They are written by hand into the
schema's file, under JSON Schema's own keyword ``examples``, and stay: they show that what was written once can still be
read.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from contracts.catalogue import CATALOGUE, Entry
from contracts.compatibility import breaks
from contracts.policy_file import schema as policy_schema

PUBLISHED = Path(__file__).parent / "published"
POLICY = "policy.schema.json"
"""Name of the policy file's schema. It is no event, but a file that is valid today stays valid, too."""


def schema_of(entry: Entry) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what a writer may send."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:surefoot:{entry.type}",
        **entry.contract.model_json_schema(),
    }


def text_of(document: dict[str, Any]) -> str:
    """Return a schema as the files have it: indented by two spaces, with a newline at the end."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def published_as(type_: str, published: Path = PUBLISHED) -> dict[str, Any]:
    """Return the published schema of an event with its examples; empty if nothing is published."""
    file = _file(type_, published)
    return dict(json.loads(file.read_text())) if file.exists() else {}


def examples_of(type_: str, published: Path = PUBLISHED) -> list[str]:
    """Return the published examples of an event, each as JSON."""
    return [json.dumps(example, ensure_ascii=False) for example in published_as(type_, published).get("examples", ())]


def violations(published: Path, entries: tuple[Entry, ...] = CATALOGUE) -> list[str]:
    """Return what forbids publishing: breaking changes, and examples that are missing or unreadable."""
    found = []
    for entry in entries:
        if "$schema" in (old := published_as(entry.type, published)):
            found += [f"{entry.type}: {change}" for change in breaks(old, schema_of(entry))]
        found += _unreadable(entry, examples_of(entry.type, published))
    if (policy := published / POLICY).exists():
        found += [f"policy file: {change}" for change in breaks(json.loads(policy.read_text()), policy_schema())]
    known = {entry.type for entry in entries}
    stale = {file.stem for file in published.glob("*/*.json")} - known
    return found + [f"{type_}: the type was removed from the catalogue" for type_ in sorted(stale)]


def outdated(published: Path, entries: tuple[Entry, ...] = CATALOGUE) -> list[Entry]:
    """Return the events whose published schema is missing or not today's."""
    return [
        entry
        for entry in entries
        if not (file := _file(entry.type, published)).exists() or file.read_text() != _text_today(entry, published)
    ]


def policy_outdated(published: Path) -> bool:
    """Return whether the published schema of the policy file is missing or not today's."""
    file = published / POLICY
    return not file.exists() or file.read_text() != text_of(policy_schema())


def main(arguments: list[str], published: Path = PUBLISHED) -> int:
    """Return the exit code: 0, or 1 with the reasons on stderr."""
    if wrong := violations(published):
        sys.stderr.write("a contract only grows; make a new version of the type instead:\n")
        sys.stderr.writelines(f"  {violation}\n" for violation in wrong)
        return 1
    changed = outdated(published)
    if "--check" in arguments:
        stale = [entry.type for entry in changed] + [POLICY] * policy_outdated(published)
        sys.stderr.writelines(f"{name}: run python -m contracts.publish\n" for name in stale)
        return 1 if stale else 0
    for entry in changed:
        _file(entry.type, published).write_text(_text_today(entry, published))
    (published / POLICY).write_text(text_of(policy_schema()))
    sys.stdout.write(f"{len(changed)} of {len(CATALOGUE)} schemas written\n")
    return 0


def _file(type_: str, published: Path) -> Path:
    return published / "schemas" / f"{type_}.json"


def _text_today(entry: Entry, published: Path) -> str:
    """Return today's schema with the examples as they are published."""
    return text_of({**schema_of(entry), "examples": published_as(entry.type, published)["examples"]})


def _unreadable(entry: Entry, examples: list[str]) -> list[str]:
    if not examples:
        return [f'{entry.type}: write an event as it is sent into schemas/{entry.type}.json: {{"examples": [{{…}}]}}']
    found = []
    for example in examples:
        try:
            entry.contract.model_validate_json(example)
        except ValidationError as error:
            found.append(f"{entry.type}: the example cannot be read any more: {error}")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
