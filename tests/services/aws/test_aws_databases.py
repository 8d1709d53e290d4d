"""What RDS shows of a database, and when that is trouble."""

import asyncio
from typing import Any

import pytest

from contracts.base import Target
from services._aws.databases import Database, RdsDatabases
from services._aws.errors import AwsError
from services._aws.optional_reads import OptionalReads

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")


class Hanging:
    """An AWS that never answers."""

    def at(self, target: Target) -> "Hanging":
        return self

    async def call(self, *_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("database", "detail"),
    [
        (Database("court", "available"), ""),
        (Database("court", "backing-up"), ""),
        (Database("court", "storage-full"), "the database court is storage-full"),
        (Database("court", "available", {0.0: 99, 60.0: 20}), ""),
        (Database("court", "available", {60.0: 99}), ""),
        (
            Database("court", "available", {0.0: 20, 60.0: 96, 120.0: 99}),
            "the database court is overloaded: its processor is at 99%",
        ),
    ],
)
def test_what_a_database_in_trouble_is(database: Database, detail: str) -> None:
    found = database.fault
    assert (found.detail if found else "") == detail


async def test_nobody_waits_for_an_rds_that_does_not_answer() -> None:
    aws: Any = Hanging()
    databases = RdsDatabases(aws, OptionalReads(patience=0.01))
    for _ in range(2):
        with pytest.raises(AwsError, match="did not answer DescribeDBInstances"):
            await databases.fault(TARGET, "court", 0.0)
