"""The dev broker: one node, a subset of Kafka's protocol, for laptops and tests.

What it has: topics with partitions, durable logs, consumer groups with static members, committed offsets,
idempotent producers. What it leaves out: replication, transactions, retention and compaction, quotas, ACLs,
TLS. An acknowledged record has been written to the operating system, so it outlives the broker's own death
but not a power cut, which is also what one Kafka node promises.
"""

from sandbox.kafka.broker import DevBroker

__all__ = ["DevBroker"]
