"""The record of an act or of a refusal, and the chain that such records form.

A record is written as one line of JSON: the message's value on Kafka and a line of an object in S3 are the same bytes.
``previous`` is the SHA-256 of the line before, so that no record can be changed, removed or put in without a trace;
``signature`` is its service's own, and covers the line with an empty signature. ``audit_chain.py`` checks both.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from contracts.base import Contract, Target, Time
from contracts.bounds import GREATEST
from contracts.prose import Plain, Prose
from contracts.topics import Party


class Act(StrEnum):
    """What is recorded."""

    CHAIN_BEGUN = "chain-begun"
    """The chain begins: for the first time, or since Redis is another one than before."""
    RECORD_LOST = "record-lost"
    """What was to be recorded could not be read any more."""

    REQUEST_ALLOWED = "request-allowed"
    """A request over HTTP that changes something."""
    REQUEST_REFUSED = "request-refused"
    REQUESTS_REFUSED = "requests-refused"
    """More requests were refused within a minute than have records of their own; their number by reason."""
    MESSAGE_ACCEPTED = "message-accepted"
    """A request over Kafka by somebody outside."""
    MESSAGE_REFUSED = "message-refused"
    """A message that was not believed, could not be handled or came too late: a dead letter."""
    MESSAGES_REFUSED = "messages-refused"
    """More messages were not believed than are kept as dead letters."""
    MESSAGE_REPLAYED = "message-replayed"
    """A dead letter that an operator had sent again was handled."""
    DEAD_LETTER_SETTLED = "dead-letter-settled"
    """An operator has sent a dead letter again, or has dropped it."""
    COMMAND_REFUSED = "command-refused"
    """A service has refused what the orchestrator asked for."""

    RUN_STARTED = "run-started"
    RUN_FINISHED = "run-finished"
    OVERRIDE_USED = "override-used"
    RUN_PAUSED = "run-paused"
    RUN_RESUMED = "run-resumed"
    RUN_APPROVED = "run-approved"
    RUN_REJECTED = "run-rejected"
    RUN_ABORTED = "run-aborted"
    HOLD_BEGUN = "hold-begun"
    """After a rollback, deployments of the version that was taken back are held."""
    HOLD_RELEASED = "hold-released"
    TARGET_ARMED = "target-armed"
    TARGET_DISARMED = "target-disarmed"
    CHANGE_APPLIED = "change-applied"
    ROLLBACK_STARTED = "rollback-started"
    ROLLBACK_FINISHED = "rollback-finished"
    SCALING_STARTED = "scaling-started"
    SCALING_FINISHED = "scaling-finished"
    """What an emergency scaling had set is as before again."""
    MIGRATION_STARTED = "migration-started"
    MIGRATION_FINISHED = "migration-finished"
    DRILL_STARTED = "drill-started"
    DRILL_FINISHED = "drill-finished"
    RECREATION_STARTED = "recreation-started"
    """Somebody has approved that a service is made again."""
    RECREATION_FINISHED = "recreation-finished"
    SNAPSHOT_STORED = "snapshot-stored"
    SNAPSHOT_ADOPTED = "snapshot-adopted"
    """A snapshot of before signatures was signed."""
    SNAPSHOTS_DELETED = "snapshots-deleted"
    MONITORING_SET_UP = "monitoring-set-up"
    """Alarms, or the dashboard, were written at CloudWatch."""

    POLICY_CHANGED = "policy-changed"
    KEY_CREATED = "key-created"
    KEY_REVOKED = "key-revoked"
    KEY_FORGOTTEN = "key-forgotten"


class Who(Contract):
    """Who has acted, as far as that was proven."""

    name: Prose = ""
    """``key:alice``, ``pipeline:web``, ``ci:team-a``, or a service; empty where nobody was proven."""
    proof: Plain = ""
    """``key``, ``token``, ``signature``, ``service`` (it acts by itself), ``redis`` (whoever may write to it),
    ``loopback``, or ``none``."""
    credential: Plain = ""
    """Which credential it was: the id of a key, the number of a pipeline's run. No secret."""


class AuditEntry(Contract):
    """What was done or refused. Its place in a chain is not decided yet."""

    id: str
    """The same act has the same id, should it be recorded again after a Redis was restored."""
    time: Time
    act: Plain
    """One of ``Act``, or what a newer version knows besides."""
    outcome: Plain = "done"
    who: Who = Who()
    asked_by: Prose = ""
    """The person for whom it was done, where another name was given than that of who has proven to ask."""
    target: Target | None = None
    """None: it is about the installation, or was refused before the target was known."""
    why: Prose = ""
    where: Prose = ""
    """From where it came: an address, ``topic/partition/offset``, a command of the command line, or the job."""
    cause_id: Plain = ""
    """What it is a consequence of: the id of a message, of an operation or of a job."""
    run_id: Plain = ""
    details: tuple[Prose, ...] = ()


def _countable(number: int) -> int:
    if not 1 <= number <= GREATEST:
        raise ValueError(f"is not between 1 and {GREATEST:,}")
    return number


_COUNTABLE = AfterValidator(_countable)
"""The bound of a record's number. It is not in the published schema, as no other is (``bounds.py``)."""


class Link(Contract):
    """The record after which another chain goes on."""

    chain: str
    sequence: Annotated[int, _COUNTABLE]
    hash: str


class AuditRecord(AuditEntry):
    """An entry with its place in the chain of the service that has recorded it."""

    service: Party
    chain: str
    sequence: Annotated[int, Field(ge=1), _COUNTABLE]
    """Each record's is the one before plus one. A chain that goes on after another one counts on, too."""
    previous: str = ""
    """SHA-256 of the line before, in hexadecimal; empty in the first record of a chain."""
    continues: Link | None = None
    """The first record of a chain names the last one that its service knew of; None: it knew of none."""
    signature: str = ""
    """``KEY:SIGNATURE``; empty where messages are not signed. It stands last (``audit_chain.signed_part``)."""

    @property
    def subject(self) -> str:
        """Records of one service have one key, and so one order."""
        return self.service

    @property
    def message_id(self) -> str:
        return f"{self.chain}/{self.sequence}"
