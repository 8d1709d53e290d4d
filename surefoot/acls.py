"""``surefoot acls``: what each party may do on Kafka, from the catalogue."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from contracts.catalogue import topics_of, topics_written_by
from contracts.topics import SERVICES, Party

Format = Literal["table", "kafka-acls"]
PRINCIPAL = "User:surefoot-{party}"


@dataclass(frozen=True, slots=True)
class Acl:
    """One thing that a principal may do."""

    principal: str
    resource: Literal["topic", "group", "cluster"]
    name: str
    operation: str


def acls(principals: Mapping[Party, str] | None = None) -> Iterator[Acl]:
    """Yield all that is needed, and nothing more; ``principals`` are the names of those that are called otherwise."""
    for party in Party:
        principal = (principals or {}).get(party, PRINCIPAL.format(party=party))
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


def listed(found: list[Acl], shape: Format) -> str:
    """Return the list as a table, or as the arguments of Kafka's own ``kafka-acls.sh``, one line for each."""
    if shape == "table":
        return "\n".join(f"{acl.principal}  {acl.operation}  {acl.resource} {acl.name}" for acl in found)
    return "\n".join(
        f"--add --allow-principal {acl.principal} --operation {acl.operation} "
        + ("--cluster" if acl.resource == "cluster" else f"--{acl.resource} {acl.name}")
        for acl in found
    )


def facts(found: list[Acl]) -> dict[str, list[dict[str, str]]]:
    return {"acls": [asdict(acl) for acl in found]}
