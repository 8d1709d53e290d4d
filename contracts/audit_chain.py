"""Checks chains of audit records: hashes, gaps, order, signatures, and how one chain goes on after another. Pure.

What no check can find: the last records of a chain that were removed everywhere, since nothing refers to them. The
report names the last record of each chain, to be compared with that of another copy (the topic, S3) or of a day ago.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

from contracts.audit import AuditRecord, Link
from contracts.signatures import joined_parts
from contracts.topics import SERVICES, Party

_BEGIN = b"surefoot-audit-1"
"""Says what is signed and in which form, so that no signature for something else fits."""
_END = re.compile(rb'"signature":"[A-Za-z0-9+/=:]{0,300}"\}$')
RESTORED = "Redis was restored from an older copy, or somebody else has written"
LONGEST_LINE = 256 * 1024
"""Bytes of a line; ours are a few kilobytes at most."""
LARGEST_OBJECT = 8 * 1024 * 1024
"""Bytes of an object in S3; ours have 500 lines at most."""
MOST_LISTED = 1_000
"""Faults, and notices, of a report; the others are counted."""


class Line(NamedTuple):
    """A record as it was written, and where."""

    data: bytes
    place: str
    """What a person would look at: ``file:line``, ``topic/partition/offset``."""
    source: str = ""
    """Lines of one source stand in the order in which they were written; empty where their order says nothing."""


Check = Callable[[AuditRecord, bytes], str]
"""``(record, what is signed)`` → what is wrong with its signature; empty where it holds, or is not to be checked."""


def hash_of(line: bytes) -> str:
    """Return by what the next record refers to this one."""
    return sha256(line).hexdigest()


def signed_part(line: bytes) -> bytes:
    """Return what the signature of a line covers: the line with an empty one. Raise ``ValueError`` without one."""
    if _END.search(line) is None:
        raise ValueError("does not end in its signature")
    return joined_parts(_BEGIN, (_END.sub(b'"signature":""}', line),))


def read_record(line: bytes) -> AuditRecord:
    """Read a line. Raise ``ValueError``, whose text does not quote it."""
    if len(line) > LONGEST_LINE:
        raise ValueError(f"has more than {LONGEST_LINE:,} bytes")
    try:
        return AuditRecord.model_validate_json(line)
    except ValueError:
        raise ValueError("is no audit record") from None


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


@dataclass
class Report:
    """What was found."""

    records: int = 0
    faults: list[str] = field(default_factory=list)
    """A sentence for each thing that is wrong, ``MOST_LISTED`` at most."""
    notices: list[str] = field(default_factory=list)
    """What is to be known, and is no fault, as many at most."""
    more_faults: int = 0
    more_notices: int = 0
    ends: dict[Chain, Place] = field(default_factory=dict)
    """The last record of each chain."""

    def fault(self, sentence: str) -> None:
        if len(self.faults) < MOST_LISTED:
            self.faults.append(sentence)
        else:
            self.more_faults += 1

    def notice(self, sentence: str) -> None:
        if len(self.notices) < MOST_LISTED:
            self.notices.append(sentence)
        else:
            self.more_notices += 1


def verify(lines: Iterable[Line], check: Check, *, whole: bool) -> Report:
    """Check records. ``whole``: all that were ever written are to be there, from the first one on.

    Equal lines are one record: Kafka has one twice after a crash, and so may objects in S3.
    """
    report = Report()
    chains = _read(lines, check, report)
    for chain, places in chains.items():
        ordered = sorted(places.values())
        report.ends[chain] = ordered[-1]
        for sentence in _linked(chain, ordered):
            report.fault(sentence)
    if whole:
        for service in sorted(set(SERVICES) - {chain.service for chain in chains}):
            report.notice(f"No record of {service} is here: it has never begun a chain, or all of it was removed.")
    for service in sorted({chain.service for chain in chains}):
        _joined({chain: places for chain, places in chains.items() if chain.service == service}, report, whole=whole)
    return report


def _read(lines: Iterable[Line], check: Check, report: Report) -> dict[Chain, dict[int, Place]]:
    chains: dict[Chain, dict[int, Place]] = {}
    last: dict[str, tuple[Chain, int]] = {}
    for line in lines:
        try:
            record, signed = read_record(line.data), signed_part(line.data)
        except ValueError as error:
            report.fault(f"{line.place}: the line {error}.")
            continue
        chain = Chain(record.service, record.chain)
        named = f"record {record.sequence} of {chain} ({line.place})"
        if fault := check(record, signed):
            # what its service has not signed takes no place in the chain, least of all that of a genuine record
            report.fault(f"{_upper(named)}: {fault}.")
            continue
        place = Place(record.sequence, hash_of(line.data), record.previous, record.continues, line.place)
        known = chains.setdefault(chain, {}).setdefault(record.sequence, place)
        if known.hash != place.hash:
            report.fault(f"There are two of {named}, the other one at {known.at}: one of them is forged.")
            continue
        if line.source and (before := last.get(line.source)) and before[0] == chain and before[1] > record.sequence:
            report.fault(f"{_upper(named)} stands behind record {before[1]}: the order was changed.")
        if line.source:
            last[line.source] = chain, record.sequence
        if known is place:
            report.records += 1
    return chains


def _linked(chain: Chain, places: list[Place]) -> Iterator[str]:
    """Yield what is wrong between the records of one chain."""
    for before, after in pairwise(places):
        missing = after.sequence - before.sequence - 1
        if missing:
            numbers = _numbers(before.sequence + 1, after.sequence - 1)
            yield f"Missing of {chain}: {numbers}, behind {before.at}."
        elif after.previous != before.hash:
            yield (
                f"Record {after.sequence} of {chain} ({after.at}) does not follow record {before.sequence} "
                f"({before.at}): one of them was changed."
            )
        if after.continues is not None:
            yield f"Record {after.sequence} of {chain} ({after.at}) begins the chain anew in its middle."


def _joined(chains: dict[Chain, dict[int, Place]], report: Report, *, whole: bool) -> None:
    """Look at how each chain of one service begins, and at what it goes on after."""
    by_id = {chain.id: places for chain, places in chains.items()}
    beginnings = []
    followers: dict[tuple[str, int], Chain] = {}
    for chain, places in chains.items():
        first = places[min(places)]
        if first.previous:
            words = f"Missing of {chain}: all before record {first.sequence} ({first.at})."
            (report.fault if whole else report.notice)(words)
        elif first.continues is None:
            beginnings.append((chain, first))
        elif first.continues.chain not in by_id:
            words = f"{_upper(str(chain))} goes on after {first.continues.chain[:8]}, of which nothing is here"
            (report.fault if whole else report.notice)(f"{words}: see {first.at}.")
        else:
            for sentence in _continued(chain, first, first.continues, by_id[first.continues.chain]):
                report.fault(sentence)
        if (link := first.continues) is not None and not first.previous:
            if (other := followers.setdefault((link.chain, link.sequence), chain)) != chain:
                report.fault(f"The chain forks: {other} and {chain} go on after the same record: {RESTORED}.")
            report.notice(f"{_upper(str(chain))} begins at {first.at}: Redis was started anew.")
    for chain, first in sorted(beginnings, key=lambda found: found[1].sequence)[1:]:
        report.fault(
            f"{_upper(str(chain))} ({first.at}) begins without a record before it, and is not the first one: the state "
            "in Redis was lost, or somebody has removed it."
        )


def _continued(chain: Chain, first: Place, link: Link, before: dict[int, Place]) -> Iterator[str]:
    known = before.get(link.sequence)
    if known is None:
        yield f"{_upper(str(chain))} goes on after record {link.sequence} of {link.chain[:8]}, which is not here."
    elif known.hash != link.hash:
        yield f"Record {link.sequence} of {link.chain[:8]} ({known.at}) is not the one that {chain} goes on after."
    if (last := max(before)) > link.sequence:
        yield (
            f"The chain forks: {chain} ({first.at}) goes on after record {link.sequence} of {link.chain[:8]}, which "
            f"has {last - link.sequence} more: {RESTORED}."
        )


def _numbers(first: int, last: int) -> str:
    return f"record {first}" if first == last else f"records {first} to {last}"


def _upper(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
