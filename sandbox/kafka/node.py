"""The node that all handlers share: its address, its limits and its state."""

from dataclasses import dataclass, field
from typing import NamedTuple

from sandbox.kafka.catalogue import Catalogue
from sandbox.kafka.groups import Group
from sandbox.kafka.offsets import Offsets

NODE_ID = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that may differ from Kafka's defaults; times in seconds."""

    auto_create_topics: bool = False
    """Kafka's default is True; Surefoot creates its topics, so a wrong name should be an error."""
    min_session_timeout: float = 6.0
    """Kafka's group.min.session.timeout.ms; tests lower it."""
    initial_rebalance_delay: float = 0.1
    """Kafka's group.initial.rebalance.delay.ms, there 3 s."""


class Caller(NamedTuple):
    """The client that sent a request."""

    client_id: str
    host: str


@dataclass(frozen=True, slots=True)
class Node:
    host: str
    port: int
    limits: Limits
    catalogue: Catalogue
    offsets: Offsets
    groups: dict[str, Group] = field(default_factory=dict)

    def group(self, name: str) -> Group:
        """Returns the group of that name, which is created if there is none."""
        return self.groups.setdefault(name, Group(name, self.limits.initial_rebalance_delay))
