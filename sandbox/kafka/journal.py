"""A file of JSON lines with the broker's durable state besides the records."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

Entry = list[Any]


class Journal:
    """Appends are written before they return; a torn last line is cut off when the file is opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines = 0

    def load(self) -> list[Entry]:
        """Returns all entries, oldest first."""
        entries: list[Entry] = []
        if not self._path.exists():
            return entries
        whole = 0
        with self._path.open("rb") as file:
            for line in file:
                try:
                    entry = orjson.loads(line) if line.endswith(b"\n") else None
                except orjson.JSONDecodeError:
                    entry = None
                if not isinstance(entry, list):
                    break
                entries.append(entry)
                whole += len(line)
        os.truncate(self._path, whole)
        self.lines = len(entries)
        return entries

    def append(self, *entries: Entry) -> None:
        with self._path.open("ab", buffering=0) as file:
            file.write(b"".join(orjson.dumps(entry) + b"\n" for entry in entries))
        self.lines += len(entries)

    def replace(self, entries: Iterable[Entry]) -> None:
        """Puts these in place of all, in one step."""
        kept = [orjson.dumps(entry) + b"\n" for entry in entries]
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(b"".join(kept))
        fresh.replace(self._path)
        self.lines = len(kept)
