"""What is recorded of a decision: its own acts, those that its events tell, and that the work for it was let in."""

from collections.abc import Iterator
from datetime import datetime

from contracts.audit import AuditEntry, Who
from services._chassis.acting import NOBODY, acting
from services._chassis.audit.acts import Audited, Origin
from services._chassis.audit.events import act_of
from services._chassis.transition import Decision

LONGEST_PROSE = 8_000
"""Characters of a text in a record: half of what a message may have (``contracts/bounds.py``)."""
LONGEST_NAME = 1_000
"""Characters of what becomes an attribute of the record's message, and of a credential."""


def entries_of(
    decision: Decision, service: str, origin: Origin | None, cause_id: str, now: datetime
) -> Iterator[AuditEntry]:
    """Yield what is recorded of a decision of ``service``. ``origin``: from where the present work came."""
    if origin is not None and (let_in := origin.let_in) is not None:
        yield entry_of(let_in, service, origin, cause_id, now)
    for emission in decision.emit:
        if (act := act_of(emission.event, emission.id)) is not None:
            yield entry_of(act, service, origin, cause_id, now)
    for audited in decision.audit:
        yield audited if isinstance(audited, AuditEntry) else entry_of(audited, service, origin, cause_id, now)


def entry_of(audited: Audited, service: str, origin: Origin | None, cause_id: str, now: datetime) -> AuditEntry:
    who = audited.who or (origin.who if origin else Who(name=service, proof="service"))
    job = acting.get().name
    where = audited.where or (origin.where if origin else f"job {job}" if job != NOBODY else "")
    return AuditEntry(
        id=audited.id,
        time=now,
        act=audited.act,
        outcome=audited.outcome,
        who=who,
        asked_by=audited.asked_by if audited.asked_by != who.name else "",
        target=audited.target,
        why=audited.why,
        where=where,
        cause_id=cause_id,
        run_id=audited.run_id,
        details=audited.details,
    )


def shortened(entry: AuditEntry) -> AuditEntry:
    """Return an entry whose texts fit into a record. Escapes make a text longer than it was when it was let in, and
    nobody may keep an act of his out of the audit by that.
    """
    who = entry.who
    held = {"name": _cut(who.name, LONGEST_NAME), "credential": _cut(who.credential, LONGEST_NAME)}
    return entry.model_copy(
        update={
            "who": who.model_copy(update=held),
            "asked_by": _cut(entry.asked_by, LONGEST_NAME),
            "why": _cut(entry.why, LONGEST_PROSE),
            "where": _cut(entry.where, LONGEST_PROSE),
            "cause_id": _cut(entry.cause_id, LONGEST_NAME),
            "run_id": _cut(entry.run_id, LONGEST_NAME),
            "details": tuple(_cut(detail, LONGEST_PROSE) for detail in entry.details),
        }
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
