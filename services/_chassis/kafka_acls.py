"""What each party needs to be allowed to do on Kafka, from the catalogue. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from contracts.catalogue import topics_of, topics_written_by
from contracts.topics import SERVICES, Party

PRINCIPAL = "User:surefoot-{party}"


@dataclass(frozen=True, slots=True)
class Acl:
    """One thing that a principal may do."""

    principal: str
    resource: Literal["topic", "group", "cluster"]
    name: str
    operation: Literal["Read", "Write", "Describe", "IdempotentWrite"]

    def __str__(self) -> str:
        return f"{self.operation} of the {self.resource} {self.name}"

    @property
    def arguments(self) -> str:
        """Return the arguments of Kafka's own ``kafka-acls.sh`` that grant it."""
        what = "--cluster" if self.resource == "cluster" else f"--{self.resource} {self.name}"
        return f"--add --allow-principal {self.principal} --operation {self.operation} {what}"


def acls(principals: Mapping[Party, str] | None = None) -> Iterator[Acl]:
    """Yield all that is needed, and nothing more; ``principals`` are the names of those that are called otherwise."""
    for party in Party:
        yield from acls_of(party, (principals or {}).get(party, PRINCIPAL.format(party=party)))


def acls_of(party: Party, principal: str) -> Iterator[Acl]:
    """Yield what this party needs."""
    written, read = _topics(party)
    for topic in dict.fromkeys((*written, *read)):
        yield Acl(principal, "topic", topic, "Describe")
        if topic in written:
            yield Acl(principal, "topic", topic, "Write")
        if topic in read:
            yield Acl(principal, "topic", topic, "Read")
    if party in SERVICES:
        yield Acl(principal, "group", party, "Read")
        yield Acl(principal, "group", party, "Describe")
    if written:
        # Apache Kafka asks for it until version 2.8 only (KIP-679)
        yield Acl(principal, "cluster", "kafka-cluster", "IdempotentWrite")


def _topics(party: Party) -> tuple[list[str], list[str]]:
    """Return the names of the topics that the party writes, and of those that it reads.

    Operators replay messages to where a service has read them, signed as they are, and look at all events.
    """
    written, read = [*topics_written_by(party)], [*topics_of(party)]
    if party is Party.OPERATORS:
        written += [topic for service in SERVICES for topic in topics_of(service)]
        read += topics_of(Party.DASHBOARDS)
    return [topic.name for topic in dict.fromkeys(written)], [topic.name for topic in dict.fromkeys(read)]
