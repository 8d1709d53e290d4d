"""``surefoot acls``: the list of what each party may do on Kafka, in the shapes that people and tools read."""

from dataclasses import asdict
from typing import Literal

from services._chassis.kafka_acls import Acl

Format = Literal["table", "kafka-acls"]


def listed(found: list[Acl], shape: Format) -> str:
    """Return the list as a table, or as the arguments of Kafka's own ``kafka-acls.sh``, one line for each."""
    if shape == "table":
        return "\n".join(f"{acl.principal}  {acl.operation}  {acl.resource} {acl.name}" for acl in found)
    return "\n".join(acl.arguments for acl in found)


def facts(found: list[Acl]) -> dict[str, list[dict[str, str]]]:
    return {"acls": [asdict(acl) for acl in found]}
