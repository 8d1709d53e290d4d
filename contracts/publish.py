"""The published contracts: a JSON Schema for each event, beside it one event as it is written, and the policy file's.

``python -m contracts.publish`` writes the schemas, unless a contract would break. With ``--check`` it writes
nothing and prints what is not up to date. The golden events in ``published/golden`` are written by hand and stay:
they show that what was written once can still be read.
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


def violations(published: Path, entries: tuple[Entry, ...] = CATALOGUE) -> list[str]:
    """Return what forbids publishing: breaking changes, and golden events that are missing or unreadable."""
    found = []
    for entry in entries:
        if (schema := published / "schemas" / f"{entry.type}.json").exists():
            old = json.loads(schema.read_text())
            found += [f"{entry.type}: {change}" for change in breaks(old, schema_of(entry))]
        golden = published / "golden" / f"{entry.type}.json"
        try:
            entry.contract.model_validate_json(golden.read_text())
        except OSError:
            found.append(f"{entry.type}: write one as it is sent to {golden.name} in golden/")
        except ValidationError as error:
            found.append(f"{entry.type}: the golden event cannot be read any more: {error}")
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
        if not (file := published / "schemas" / f"{entry.type}.json").exists()
        or file.read_text() != text_of(schema_of(entry))
    ]


def policy_outdated(published: Path) -> bool:
    """Return whether the published schema of the policy file is missing or not today's."""
    file = published / POLICY
    return not file.exists() or file.read_text() != text_of(policy_schema())


def main(arguments: list[str], published: Path = PUBLISHED) -> int:
    """Return the exit code: 0, or 1 with the reasons on stderr."""
    if wrong := violations(published):
        sys.stderr.write("a contract only grows; make a new version of the type instead:\n")
        sys.stderr.writelines(f"  {fault}\n" for fault in wrong)
        return 1
    changed = outdated(published)
    if "--check" in arguments:
        stale = [entry.type for entry in changed] + [POLICY] * policy_outdated(published)
        sys.stderr.writelines(f"{name}: run python -m contracts.publish\n" for name in stale)
        return 1 if stale else 0
    (published / "schemas").mkdir(parents=True, exist_ok=True)
    for entry in changed:
        (published / "schemas" / f"{entry.type}.json").write_text(text_of(schema_of(entry)))
    (published / POLICY).write_text(text_of(policy_schema()))
    sys.stdout.write(f"{len(changed)} of {len(CATALOGUE)} schemas written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
