"""What a migration shows to whoever may look at its service: no environment, and no secret of its command."""

from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.base import Target
from contracts.recovery import ManualTrigger
from services.recovery.decisions.migrate import begin_migration, note_plan
from services.recovery.domain.migration.log_secrets import secrets_in, words_shown
from services.recovery.domain.migration.migration import MigrateWork, Migration, MigrationPlan, OneOff
from services.recovery.domain.migration.migration_end import shown
from services.recovery.domain.protection import Protection

TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")
KEY_LINES = ("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "MzEfYyjiWA4R4M2bS1GB4t7NXp98C3SC")
KEY = "\n".join(("-----BEGIN PRIVATE KEY-----", *KEY_LINES, "-----END PRIVATE KEY-----"))
ENVIRONMENT = {
    "SIGNING": KEY,
    "DATABASE_URL": "postgresql+asyncpg://app:s3cr%25t-Pw9@db.internal:5432/app",
    "SETTINGS": '{"mail": [{"user": "u", "password": "horse battery"}, "staple-correct"]}',
    "DB_PASSWORD": "abc123",
    "SALT": "zmJkLm3Qp9XwYt7V",
    "STAGE": "prod",
    "DEBUG": "true",
    "BROKEN": '{"a": ',
    "ODD": "http://[",
}
DEFINITION: dict[str, Any] = {
    "containerDefinitions": [
        {"name": "web", "environment": [{"name": name, "value": value} for name, value in ENVIRONMENT.items()]},
        {"name": "plain"},
    ]
}


@pytest.mark.parametrize(
    ("printed", "secret"),
    [
        *((line, line) for line in KEY_LINES),
        (f"loaded {KEY!r}", KEY_LINES[1]),
        ("cannot connect as app with s3cr%25t-Pw9", "s3cr%25t-Pw9"),
        ("cannot connect as app with s3cr%t-Pw9", "s3cr%t-Pw9"),
        ("mail as u with horse battery", "horse battery"),
        ("and staple-correct besides", "staple-correct"),
        ("db: abc123.", "abc123"),
        ("salted with zmJkLm3Qp9XwYt7V", "zmJkLm3Qp9XwYt7V"),
    ],
)
def test_a_log_shows_no_part_of_the_environment(printed: str, secret: str) -> None:
    (line,) = shown([printed], secrets_in(DEFINITION))
    assert secret not in line
    assert "[…]" in line


def test_what_is_no_secret_stays() -> None:
    lines = ("INFO [alembic] Running upgrade 1 -> 2", "stage prod, debug true, 5432")
    assert shown(lines, secrets_in(DEFINITION)) == lines


@pytest.mark.parametrize(
    ("words", "as_shown"),
    [
        (("alembic", "upgrade", "head"), ("alembic", "upgrade", "head")),
        (("manage", "--password", "hunter2abc", "migrate"), ("manage", "--password", "***", "migrate")),
        (("alembic", "-x", "pw=hunter2abc", "upgrade"), ("alembic", "-x", "pw=***", "upgrade")),
        (("curl", "-u", "ann:hunter2abc", "x"), ("curl", "-u", "***", "x")),
        (("psql", "postgresql://u:hunter2abc@h/db"), ("psql", "postgresql://***@h/db")),
    ],
)
def test_no_word_of_a_command_that_is_a_secret_is_shown_or_published(
    words: tuple[str, ...], as_shown: tuple[str, ...]
) -> None:
    assert words_shown(words) == as_shown
    trigger = ManualTrigger(actor="ann", reason="")
    migration = Migration(
        migration_id="m", trigger=trigger, command=words, minutes=1, asked_at=datetime.now(UTC), container="web"
    )
    begun = begin_migration(Protection(), TARGET, migration)
    task = OneOff(family="f", task_definition="t", container="web", image="web@sha256:1")
    noted = note_plan(MigrateWork(target=TARGET, migration_id="m"), MigrationPlan(task=task, sentence="Runs it."))
    planned = noted.decide(begun.state)
    told = [*begun.records.values(), *planned.records.values(), *(emission.event for emission in planned.emit)]
    assert len(told) == 3
    assert "hunter2abc" not in " ".join(map(str, told))
