"""``surefoot audit``: who did what, and whether the record of it is whole."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import App, Parameter

from contracts.audit import AuditRecord
from contracts.audit_chain import Line, Report, read_record, signed_part
from contracts.audit_chain import verify as check_chains
from contracts.audit_places import Chain, Place
from contracts.prose import plain
from contracts.topics import Party
from services._chassis.audit.verify import check_with
from surefoot import audit_sources
from surefoot.audit_found import Found
from surefoot.exit_codes import Exit
from surefoot.listing import moment
from surefoot.output import CannotDo, Json, fail, note, result, show_line
from surefoot.readable import in_columns, plural, table
from surefoot.signing import trust_of

app = App(
    name="audit",
    help="Look at the record of acts and refusals, and check that nobody has changed it.",
    default_parameter=Parameter(negative_iterable=()),
    help_format="plaintext",
)
Source = Annotated[
    str | None,
    Parameter(
        name="SOURCE", help="s3://bucket/prefix, a file or a directory of JSON lines; by default the topic audit.v1."
    ),
]
Since = Annotated[str | None, Parameter(help="Nothing earlier: 90m, 12h, 7d, or a time in ISO 8601.")]
MOST_SHOWN = 50
"""Faults that are shown; the others are counted."""


@app.command
def verify(source: Source = None, /, *, since: Since = None, json: Json = False) -> int:
    """Check hashes, gaps, order and signatures, and say in a sentence what is wrong and where.

    From S3 and files, all records from the first one on must be there, unless --since is given; Kafka forgets. The last
    record of each chain is shown: compare it with another copy, since nothing refers to it. Whose signatures count is
    in SUREFOOT_TRUSTED_KEYS.
    """
    begin, trust = moment(since, datetime.now(UTC)), trust_of(os.environ)
    lines = _since(audit_sources.read(source), begin)
    with _room():
        report = check_chains(lines, check_with(trust), whole=source is not None and begin is None)
    if not trust.demands:
        report.notices.append("Signatures were not demanded: SUREFOOT_TRUSTED_KEYS names the keys of the services.")
    if json:
        result(_facts(report), json, str)
    else:
        for sentence in report.notices:
            note(sentence)
        if report.more_notices:
            note(f"and {report.more_notices} more")
        show_line(_ends(report))
    if report.faults:
        number = len(report.faults) + report.more_faults
        more = number - MOST_SHOWN
        shown = [*report.faults[:MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        return fail(f"the audit has {plural(number, 'fault')}", Exit.FAILED, shown)
    return Exit.SUCCEEDED


@app.command(name="list")
def list_(
    source: Source = None,
    /,
    *,
    service: Annotated[Party | None, Parameter(help="Recorded by this service.")] = None,
    actor: Annotated[str | None, Parameter(help="By, or for, whose name has this in it.")] = None,
    target: Annotated[str | None, Parameter(help="About whose account/region/cluster/service has this in it.")] = None,
    act: Annotated[str | None, Parameter(help="This act, such as rollback-started.")] = None,
    refused: Annotated[bool, Parameter(negative="", help="Refusals alone.")] = False,
    since: Since = None,
    json: Annotated[
        bool, Parameter(name="--json", negative="", help="Print the records as they were written, a line each.")
    ] = False,
) -> int:
    """List what was done and refused, the oldest first. It checks signatures, and not the chain: that is verify's."""
    asked = _Asked(service, actor or "", target or "", act, refused)
    lines = _since(audit_sources.read(source), moment(since, datetime.now(UTC)))
    with _room(), Found() as found:
        widths, unproven = _proven(lines, asked, found)
        if unproven:
            what = "cannot be read, or is not signed by its service"
            note(f"{plural(unproven, 'line')} {what}: surefoot audit verify says which")
        for shown in _as_written(found) if json else _as_table(found, widths):
            show_line(shown)
    return Exit.SUCCEEDED


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which records are to be listed."""

    service: Party | None
    actor: str
    target: str
    act: str | None
    refused: bool

    def includes(self, record: AuditRecord) -> bool:
        return (
            self.service in {None, record.service}
            and self.act in {None, record.act}
            and self.actor in f"{record.who.name} {record.asked_by}"
            and self.target in str(record.target or "")
            and (not self.refused or record.act.endswith("-refused"))
        )


@contextmanager
def _room() -> Iterator[None]:
    """Raise ``CannotDo`` where the disk has no room for what is compared or sorted."""
    try:
        yield
    except sqlite3.Error as error:
        fault = f"there is no room for temporary files ({error}): SQLITE_TMPDIR names another directory for them"
        raise CannotDo(fault, Exit.FAILED) from None


def _proven(lines: Iterable[Line], asked: _Asked, found: Found) -> tuple[list[int], int]:
    """Put into ``found`` the records that were asked for, each once with its line.

    Return how wide their table's columns are, none where there are no records, and how many lines nobody has proven.
    """
    check, unproven, widths = check_with(trust_of(os.environ)), 0, list[int]()
    for line in lines:
        try:
            record, signed = read_record(line.data), signed_part(line.data)
        except ValueError:
            unproven += 1
            continue
        if check(record, signed):
            unproven += 1
        elif asked.includes(record) and found.add(record, line.data):
            widths = [*map(max, widths or map(len, _HEAD), map(len, _row(record)))]
    return widths, unproven


def _as_written(found: Found) -> Iterator[str]:
    return (line.decode() for line in found.lines())


def _as_table(found: Found, widths: list[int]) -> Iterator[str]:
    if not widths:
        yield "nothing is recorded"
        return
    yield in_columns(_HEAD, widths)
    for line in found.lines():
        yield in_columns(_row(read_record(line)), widths)


_HEAD = ("TIME", "ACT", "OUTCOME", "WHO", "FROM", "ABOUT", "WHY")


def _row(record: AuditRecord) -> tuple[str, ...]:
    who = record.who.name or "nobody"
    by = f"{who} for {record.asked_by}" if record.asked_by else who
    if record.asked_by.startswith(f"{who} for "):
        by = record.asked_by
    about = f"{record.target.cluster}/{record.target.service}" if record.target else ""
    shown = (record.act, record.outcome, by, record.where, about, record.why)
    return (f"{record.time:%Y-%m-%d %H:%M:%S}", *map(plain, shown))


def _since(lines: Iterable[Line], begin: str | None) -> Iterator[Line]:
    """Yield the lines from a moment on; what is no record is among them, and is a fault."""
    for line in lines:
        if begin is not None:
            try:
                if read_record(line.data).time < datetime.fromisoformat(begin):
                    continue
            except ValueError:
                pass
        yield line


def _ends(report: Report) -> str:
    if not report.ends:
        return "nothing is recorded"
    rows = (
        (str(chain.service), plain(chain.id), str(end.sequence), end.hash, plain(end.at))
        for chain, end in sorted(report.ends.items(), key=_order)
    )
    return f"{plural(report.records, 'record')}\n" + table([("SERVICE", "CHAIN", "LAST", "HASH", "AT"), *rows])


def _order(found: tuple[Chain, Place]) -> tuple[str, int]:
    return found[0].service, found[1].sequence


def _facts(report: Report) -> dict[str, Any]:
    ends = [
        {"service": chain.service, "chain": chain.id, "sequence": end.sequence, "hash": end.hash, "at": end.at}
        for chain, end in sorted(report.ends.items(), key=_order)
    ]
    more = {"more_faults": report.more_faults, "more_notices": report.more_notices}
    return {"records": report.records, "faults": report.faults, "notices": report.notices, **more, "ends": ends}
