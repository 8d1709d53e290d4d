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
from contracts.audit_places import MOST_CHAINS, Chain, Place, Places, TooManyChains
from contracts.signatures import joined_parts
from contracts.topics import SERVICES

_BEGIN = b"surefoot-audit-1"
"""Says what is signed and in which form, so that no signature for something else fits."""
_END = re.compile(rb'"signature":"[A-Za-z0-9+/=:]{0,300}"\}$')
RESTORED = "Redis was restored from an older copy, or somebody else has written"
LONGEST_LINE = 256 * 1024
"""Bytes of a line; ours are a few kilobytes at most."""
LONGEST_LINK = 128
"""Characters of a chain's id and of a hash; ours have 32 and 64. They are held in memory while chains are verified."""
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
        record = AuditRecord.model_validate_json(line)
    except ValueError:
        raise ValueError("is no audit record") from None
    link = record.continues
    names = (record.chain, record.previous, *((link.chain, link.hash) if link else ()))
    if any(len(name) > LONGEST_LINK for name in names):
        raise ValueError("names a chain or a hash that is too long")
    return record


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

    Equal lines are one record: Kafka has one twice after a crash, and so may objects in S3. Raise ``sqlite3.Error``
    where there is no room for what is kept of each record meanwhile (``Places``).
    """
    report = Report()
    with Places() as places:
        _read(lines, check, places, report)
        for chain in places.chains:
            report.ends[chain] = places.last(chain)
            for sentence in _linked(chain, places.ordered(chain)):
                report.fault(sentence)
        services = sorted({chain.service for chain in places.chains})
        if whole:
            for service in sorted({*SERVICES} - {*services}):
                report.notice(f"No record of {service} is here: it has never begun a chain, or all of it was removed.")
        for service in services:
            _joined([chain for chain in places.chains if chain.service == service], places, report, whole=whole)
    return report


def _read(lines: Iterable[Line], check: Check, places: Places, report: Report) -> None:
    last: tuple[str, Chain, int] | None = None
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
        try:
            known = places.add(chain, place)
        except TooManyChains:
            report.fault(f"{_upper(named)}: there are more than {MOST_CHAINS:,} chains, and no more are looked at.")
            continue
        if known.hash != place.hash:
            report.fault(f"There are two of {named}, the other one at {known.at}: one of them is forged.")
            continue
        if last is not None and last[:2] == (line.source, chain) and last[2] > record.sequence:
            report.fault(f"{_upper(named)} stands behind record {last[2]}: the order was changed.")
        last = (line.source, chain, record.sequence) if line.source else None
        if known is place:
            report.records += 1


def _linked(chain: Chain, places: Iterable[Place]) -> Iterator[str]:
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


def _joined(chains: list[Chain], places: Places, report: Report, *, whole: bool) -> None:
    """Look at how each chain of one service begins, and at what it goes on after."""
    by_id = {chain.id: chain for chain in chains}
    beginnings = []
    followers: dict[tuple[str, int], Chain] = {}
    for chain in chains:
        first = places.first(chain)
        if first.previous:
            words = f"Missing of {chain}: all before record {first.sequence} ({first.at})."
            (report.fault if whole else report.notice)(words)
        elif first.continues is None:
            beginnings.append((chain, first))
        elif first.continues.chain not in by_id:
            words = f"{_upper(str(chain))} goes on after {first.continues.chain[:8]}, of which nothing is here"
            (report.fault if whole else report.notice)(f"{words}: see {first.at}.")
        else:
            for sentence in _continued(chain, first, first.continues, by_id[first.continues.chain], places):
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


def _continued(chain: Chain, first: Place, link: Link, before: Chain, places: Places) -> Iterator[str]:
    known = places.get(before, link.sequence)
    if known is None:
        yield f"{_upper(str(chain))} goes on after record {link.sequence} of {link.chain[:8]}, which is not here."
    elif known.hash != link.hash:
        yield f"Record {link.sequence} of {link.chain[:8]} ({known.at}) is not the one that {chain} goes on after."
    if (last := places.last(before).sequence) > link.sequence:
        yield (
            f"The chain forks: {chain} ({first.at}) goes on after record {link.sequence} of {link.chain[:8]}, which "
            f"has {last - link.sequence} more: {RESTORED}."
        )


def _numbers(first: int, last: int) -> str:
    return f"record {first}" if first == last else f"records {first} to {last}"


def _upper(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
