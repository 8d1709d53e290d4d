"""Throttles calls as AWS does: token buckets in product time, one for each kind of call.

Sources: ECS developer guide, "Request throttling for the Amazon ECS API"; service quotas of CloudWatch, of its Logs
and of CloudTrail.
Calls without a bucket are never throttled.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    burst: float
    """Calls at once."""
    rate: float
    """Calls a second in the long run."""


@dataclass(slots=True)
class Bucket:
    limit: Limit
    tokens: float
    at: float
    """The time at which the bucket had so many ``tokens``, in epoch seconds."""

    def take(self, now: float) -> bool:
        """Take a token, if there is one."""
        passed = max(0.0, now - self.at)
        self.tokens, self.at = min(self.limit.burst, self.tokens + passed * self.limit.rate), self.at + passed
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


_ECS: Mapping[Limit, tuple[tuple[str, ...], ...]] = {
    Limit(20, 1): (
        ("CreateCluster", "DeleteCluster", "UpdateCluster", "UpdateClusterSettings", "PutClusterCapacityProviders"),
        ("RegisterTaskDefinition", "DeregisterTaskDefinition", "DeleteTaskDefinitions"),
    ),
    Limit(50, 20): (
        ("DescribeClusters", "ListClusters"),
        ("DescribeTaskDefinition", "ListTaskDefinitions", "ListTaskDefinitionFamilies"),
    ),
    Limit(100, 40): (("RunTask", "StartTask", "StopTask"),),
    Limit(100, 20): (
        ("DescribeTasks", "ListTasks"),
        (
            "DescribeServices", "ListServices",
            "DescribeServiceDeployments", "ListServiceDeployments", "DescribeServiceRevisions",
        ),
    ),
    Limit(50, 5): (("CreateService", "UpdateService", "DeleteService", "StopServiceDeployment"),),
}  # fmt: skip
"""Limit → groups of operations, each of which shares a bucket."""
_A_SECOND = {
    "monitoring": {
        "GetMetricData": 50, "PutMetricAlarm": 3, "DescribeAlarms": 9, "PutDashboard": 10, "PutMetricData": 500,
    },
    "logs": {"FilterLogEvents": 5, "GetLogEvents": 10, "StartQuery": 5},
    "cloudtrail": {"LookupEvents": 2},
}  # fmt: skip
"""Calls a second of operations with a bucket of their own."""


LIMITED = frozenset({"ecs", *_A_SECOND})
"""The services whose calls are limited, as signatures name them."""


def buckets() -> Iterator[tuple[Limit, tuple[tuple[str, str], ...]]]:
    """Each bucket's limit, and the services and operations that share it."""
    for limit, kinds in _ECS.items():
        for kind in kinds:
            yield limit, tuple(("ecs", operation) for operation in kind)
    for service, rates in _A_SECOND.items():
        for operation, rate in rates.items():
            yield Limit(rate, rate), ((service, operation),)


class Throttling:
    """The buckets of one account and region. Safe to use from several threads."""

    def __init__(self, now: Callable[[], float]) -> None:
        """``now``: product time, in epoch seconds."""
        self._now = now
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str], Bucket] = {}
        for limit, calls in buckets():
            self._buckets |= dict.fromkeys(calls, Bucket(limit, limit.burst, now()))

    def lets_through(self, service: str, operation: str) -> bool:
        """Return whether the call is allowed, and count it."""
        bucket = self._buckets.get((service, operation))
        if bucket is None:
            return True
        with self._lock:
            return bucket.take(self._now())
