"""Is the application's database itself in trouble? Then a broken rule is no verdict on a deployment."""

from collections.abc import Mapping

from contracts.base import Contract
from contracts.monitor import DependencyFault

SERVES = frozenset(
    {
        "available",
        "backing-up",
        "configuring-enhanced-monitoring",
        "configuring-iam-database-auth",
        "configuring-log-exports",
        "modifying",
        "moving-to-vpc",
        "renaming",
        "storage-config-upgrade",
        "storage-initialization",
        "storage-optimization",
    }
)
"""States of an RDS instance in which it answers (Amazon RDS User Guide, "Viewing Amazon RDS DB instance status")."""
OVERLOADED = 95.0
"""Per cent of its processor from which on an instance is overloaded."""
POINTS = 2
"""The number of newest minutes that must all reach ``OVERLOADED``."""


class Database(Contract):
    """One RDS instance at one moment."""

    instance: str
    status: str
    """The state, in the words of RDS."""
    cpu: Mapping[float, float] = {}
    """The begin of a minute (epoch seconds) → per cent of the processor in use."""


def fault(database: Database | None) -> DependencyFault | None:
    """Return what is wrong with the database; None where nothing is wrong or nothing is known."""
    if database is None:
        return None
    if database.status not in SERVES:
        return _fault(database, f"is {database.status}")
    newest = [database.cpu[minute] for minute in sorted(database.cpu)[-POINTS:]]
    if len(newest) == POINTS and min(newest) >= OVERLOADED:
        return _fault(database, f"is overloaded: its processor is at {newest[-1]:.0f}%")
    return None


def _fault(database: Database, what: str) -> DependencyFault:
    return DependencyFault(name=database.instance, detail=f"the database {database.instance} {what}")
