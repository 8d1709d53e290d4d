"""What is kept of each record while an audit is verified: its place in a chain.

An audit of years, or what somebody else has written among it, is larger than a memory. The places are in a temporary
database of SQLite, which holds two megabytes in memory and the others in a file without a name that ends with it.
"""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple, Self

from contracts.audit import Link
from contracts.topics import Party

MOST_CHAINS = 10_000
"""Chains that are told apart; a service begins another one each time that its Redis was started anew."""


_TABLE = """
CREATE TABLE places (
    chain INTEGER, sequence INTEGER, hash TEXT, previous TEXT, continues TEXT, at TEXT, PRIMARY KEY (chain, sequence)
) WITHOUT ROWID
"""
_READ = """
SELECT sequence, hash, previous, continues, at FROM places
WHERE chain = ? AND sequence BETWEEN ? AND ? ORDER BY sequence
"""


class Chain(NamedTuple):
    """Which chain: one service has several after another, where its Redis was another one."""

    service: Party
    id: str

    def __str__(self) -> str:
        return f"{self.service}'s chain {self.id[:8]}"


class Place(NamedTuple):
    """What is kept of a record while the others are read."""

    sequence: int
    hash: str
    previous: str
    continues: Link | None
    at: str


class TooManyChains(Exception):
    """More than ``MOST_CHAINS``."""


class Places:
    """The places of the records of all chains, each under its number. ``sqlite3.Error`` where the disk is full."""

    def __init__(self) -> None:
        self._ids: dict[Chain, int] = {}
        self._greatest: dict[Chain, int] = {}
        """The number of each chain's last record."""
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(_TABLE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    @property
    def chains(self) -> tuple[Chain, ...]:
        """Return the chains, in the order in which they came."""
        return tuple(self._ids)

    def add(self, chain: Chain, place: Place) -> Place:
        """Keep a place, unless its number is taken; return the place that the number has. Raise ``TooManyChains``."""
        if chain not in self._ids and len(self._ids) >= MOST_CHAINS:
            raise TooManyChains
        id_ = self._ids.setdefault(chain, len(self._ids))
        self._greatest[chain] = max(place.sequence, self._greatest.get(chain, 0))
        continues = place.continues and place.continues.model_dump_json()
        row = (id_, place.sequence, place.hash, place.previous, continues, place.at)
        taken = self._database.execute("INSERT OR IGNORE INTO places VALUES (?, ?, ?, ?, ?, ?)", row).rowcount == 0
        known = self.get(chain, place.sequence) if taken else None
        return known or place

    def get(self, chain: Chain, sequence: int) -> Place | None:
        return next(self._between(chain, sequence, sequence), None)

    def first(self, chain: Chain) -> Place:
        return next(self.ordered(chain))

    def last(self, chain: Chain) -> Place:
        return next(self._between(chain, self._greatest[chain], self._greatest[chain]))

    def ordered(self, chain: Chain) -> Iterator[Place]:
        """Yield the places of a chain, which has at least one, by their numbers."""
        return self._between(chain, 1, self._greatest[chain])

    def _between(self, chain: Chain, first: int, last: int) -> Iterator[Place]:
        for sequence, hash_, previous, continues, at in self._database.execute(_READ, (self._ids[chain], first, last)):
            yield Place(sequence, hash_, previous, continues and Link.model_validate_json(continues), at)
