"""The base of all contracts: ids, names, targets, events."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

CAUSES = uuid.UUID("5aefb007-0000-5000-8000-000000000001")
"""The namespace of ids that are derived from a cause in which there is no colon."""
PARTS = uuid.UUID("5aefb007-0000-5000-8000-000000000002")
"""The namespace of ids that are derived from parts of any kind."""


def joined(*parts: str) -> str:
    """Return the parts as one text that no other parts have: each follows its length, as in ``3:abc1:d``."""
    return "".join(f"{len(part)}:{part}" for part in parts)


def id_of(*parts: str) -> str:
    """Return the id of what these parts name together. No other parts have it, however they are written."""
    return str(uuid.uuid5(PARTS, joined(*parts)))


def caused_id(cause: str, what: str) -> str:
    """Return the id of the consequence ``what`` of ``cause``: the same cause always has the same id, and no other has.

    The first colon ends the cause. Nearly all causes are ids, in which there is none; another one is told by lengths.
    """
    return id_of(cause, what) if ":" in cause else str(uuid.uuid5(CAUSES, f"{cause}:{what}"))


class Contract(BaseModel):
    """Frozen, tolerant of fields that a newer writer added, and without numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, ser_json_inf_nan="constants")


NAME, ACCOUNT, REGION = r"^[A-Za-z0-9_-]+$", r"^[0-9]{12}$", r"^[a-z]{2}(-[a-z]+)+-[0-9]$"
"""The patterns of names, accounts and regions; who explains one in words finds it by its pattern."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=NAME)]
"""A cluster's or a service's name, as ECS allows it."""


AccountId = Annotated[str, StringConstraints(pattern=ACCOUNT)]
Region = Annotated[str, StringConstraints(pattern=REGION)]


_FIRST_YEAR, _LAST_YEAR = 1970, 2200


def reckonable(time: datetime) -> datetime:
    """Return a time that can be compared and converted. Raise ``ValueError`` for any other one.

    It has a time zone, and lies in the years from 1970 to 2199.
    """
    if time.tzinfo is None:
        raise ValueError("has no time zone")
    if not _FIRST_YEAR <= time.year < _LAST_YEAR:
        raise ValueError("is not within the years 1970 to 2199")
    return time


def reckonable_expiry(time: datetime) -> datetime:
    """Return when something expires. To many writers the year 9999 is "never": what is too late or too early is capped.

    Raise ``ValueError`` for a time without a zone.
    """
    if time.tzinfo is None:
        raise ValueError("has no time zone")
    if time.year >= _LAST_YEAR:
        return datetime(_LAST_YEAR - 1, 12, 31, tzinfo=UTC)
    return time if time.year >= _FIRST_YEAR else datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC)


Time = Annotated[AwareDatetime, AfterValidator(reckonable)]
Expiry = Annotated[AwareDatetime, AfterValidator(reckonable_expiry)]


class Target(Contract):
    """One ECS service, everywhere: the key of messages, of state, of locks and of files in S3."""

    account: AccountId
    region: Region
    cluster: Name
    service: Name

    def __str__(self) -> str:
        return f"{self.account}/{self.region}/{self.cluster}/{self.service}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``account/region/cluster/service``. Raise ``ValueError`` for anything else."""
        parts = text.split("/")
        if len(parts) != 4:
            raise ValueError(f"a target is account/region/cluster/service, not {text!r}")
        account, region, cluster, service = parts
        return cls(account=account, region=region, cluster=cluster, service=service)


class Event(Contract):
    """A fact or a command about one target. ``catalogue.py`` says its type, topic, writers and readers."""

    overridable: ClassVar[Mapping[str, str]] = {}
    """The gates of a command before the change that a person may override: name → the question that it answers."""
    indispensable: ClassVar[Mapping[str, str]] = {}
    """The gates of such a command without which nothing can be applied or restored: name → its question."""

    target: Target

    @property
    def subject(self) -> str:
        """The CloudEvents subject, the Kafka key and the partition key."""
        return str(self.target)


RunId = Annotated[str, Field(description="The run (one deployment's course) that this belongs to.")]
