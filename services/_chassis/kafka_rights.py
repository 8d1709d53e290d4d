"""Looks at the start whether Kafka's ACLs hold, and changes nothing: a service asks what it may do, which must be all
that it needs, and tries what it must not be able to do.
"""

from collections.abc import Collection, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    for_code,
)

from contracts.topics import AUDIT, TOPICS, Party, Topic
from services._chassis.kafka_acls import PRINCIPAL, Acl, acls_of
from services._chassis.kafka_connection import KafkaConnection
from services._chassis.kafka_operations import REQUEST_MS, OperationsUnknown, allowed

TRIED_TOPIC = "surefoot.acl-check"
"""A topic that Kafka is asked whether it would create; it does not."""
DENIED = (ClusterAuthorizationFailedError, TopicAuthorizationFailedError)
MOST_NAMED = 5
"""How many missing rights a sentence names."""


class Missing(Exception):
    """Kafka does not allow what a service cannot do without; the text is a sentence for the operator."""


async def missing(kafka: KafkaConnection, parties: Collection[Party]) -> list[Acl]:
    """Return what these parties need and this client may not do.

    A broker before version 2.8 wants ``IdempotentWrite`` as well, which is not asked for here. Raise
    ``OperationsUnknown``, ``KafkaError`` and ``OSError``.
    """
    user = kafka.arguments.get("sasl_plain_username")
    principal = f"User:{user}" if user else PRINCIPAL.format(party=next(iter(parties)))
    needed = dict.fromkeys(acl for party in parties for acl in acls_of(party, principal))
    names = {kind: [*dict.fromkeys(acl.name for acl in needed if acl.resource == kind)] for kind in ("topic", "group")}
    held = await allowed(kafka, names["topic"], names["group"])
    return [acl for acl in needed if acl.operation not in held.get((acl.resource, acl.name), {acl.operation})]


async def check_rights(
    kafka: KafkaConnection, needed: Collection[Topic], parties: Collection[Party], *, has_acls: bool = True
) -> str:
    """Return what else is wrong with what Kafka allows, as a sentence without its full stop; empty where nothing is.

    ``has_acls``: false where policies of IAM say what may be done, so that Kafka cannot be asked for it. Raise
    ``Missing``.
    """
    party = " and ".join(parties)
    if not has_acls:
        return await _beyond(kafka, needed, party)
    try:
        lacking = await missing(kafka, parties)
    except OperationsUnknown as why:
        return f"whether Kafka allows {party} what it needs could not be checked: {why}"
    except (KafkaError, OSError) as error:
        return f"whether Kafka allows {party} what it needs could not be checked ({type(error).__name__})"
    if lacking:
        sentence = _sentence_about(lacking, party, is_named="sasl_plain_username" in kafka.arguments)
        if all((acl.resource, acl.name) == ("topic", AUDIT.name) for acl in lacking):
            return sentence  # the audit waits in Redis, and nothing waits for it
        raise Missing(sentence)
    return await _beyond(kafka, needed, party)


def _sentence_about(lacking: Sequence[Acl], party: str, *, is_named: bool) -> str:
    """``is_named``: it is known what Kafka calls this client; a certificate's name may be mapped to another."""
    named, more = lacking[:MOST_NAMED], len(lacking) - MOST_NAMED
    what = ", ".join(map(str, named)) + (f" and {more} more" if more > 0 else "")
    grant = "; ".join(f"kafka-acls.sh {acl.arguments}" for acl in named)
    other_name = "" if is_named else ", and what Kafka calls this client in place of its usual name"
    return (
        f"Kafka does not allow {party} what it needs: {what}. Grant it with an administrator's --bootstrap-server and "
        f"--command-config{other_name}: {grant}. "
        "surefoot acls --format kafka-acls lists all that is needed"
    )


async def too_wide(kafka: KafkaConnection, needed: Collection[Topic]) -> str:
    """Return what this client may do beyond its ACLs, as the end of a sentence; empty where Kafka denies it.

    Raise ``KafkaError`` and ``OSError``.
    """
    admin: Any = AIOKafkaAdminClient(**kafka.arguments, request_timeout_ms=REQUEST_MS)
    await admin.start()
    try:
        new_topic: Any = NewTopic  # aiokafka has no types here
        answer = await admin.create_topics([new_topic(TRIED_TOPIC, 1, 1)], validate_only=True)
        may_create = not any(issubclass(for_code(code), DENIED) for _, code, *_ in answer.topic_errors)
        others = {topic.name for topic in TOPICS} - {topic.name for topic in needed}
        seen = sorted(others.intersection(await admin.list_topics()))
    except DENIED:
        return ""
    finally:
        await admin.close()
    able = ["create topics"] if may_create else []
    able += [f"see {seen[0]}"] if seen else []
    return " and ".join(able)


async def _beyond(kafka: KafkaConnection, needed: Collection[Topic], party: str) -> str:
    """Return what may be done that should not be, as a sentence without its full stop; empty where Kafka denies it."""
    try:
        able = await too_wide(kafka, needed)
    except (KafkaError, OSError) as error:
        return f"whether Kafka's ACLs hold for {party} could not be checked ({type(error).__name__})"
    if not able:
        return ""
    return f"Kafka's ACLs are not enforced, or too wide: {party} may {able}; surefoot acls lists what is needed"
