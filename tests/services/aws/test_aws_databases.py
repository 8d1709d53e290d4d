"""What RDS shows of a database, and when that is trouble."""

import pytest

from services._aws.databases import Database


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
