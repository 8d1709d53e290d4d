"""The audit records that a list shows, in the order of their times: on disk, since an audit is larger than a memory."""

import sqlite3
from collections.abc import Iterator
from typing import Self

from contracts.audit import AuditRecord

_TABLE = """
CREATE TABLE found (time REAL, service TEXT, chain TEXT, sequence INTEGER, line BLOB, UNIQUE (chain, sequence))
"""
_ORDER = "CREATE INDEX in_order ON found (time, service, sequence)"
_READ = "SELECT line FROM found ORDER BY time, service, sequence"


class Found:
    """Records with their lines, in a temporary file without a name. ``sqlite3.Error`` where the disk is full."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(_TABLE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, record: AuditRecord, line: bytes) -> bool:
        """Keep a record with its line; return False for one whose place in its chain is taken."""
        row = (record.time.timestamp(), record.service, record.chain, record.sequence, line)
        return self._database.execute("INSERT OR IGNORE INTO found VALUES (?, ?, ?, ?, ?)", row).rowcount == 1

    def lines(self) -> Iterator[bytes]:
        """Yield the lines, the oldest first."""
        self._database.execute(_ORDER)
        for (line,) in self._database.execute(_READ):
            yield line
