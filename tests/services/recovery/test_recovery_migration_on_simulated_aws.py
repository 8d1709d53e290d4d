"""Migrations by recovery as it is built for production, on the simulated AWS."""

import pytest

from contracts.recovery import ManualTrigger
from contracts.state import read_record
from sandbox.aws.server.seed import CLUSTER, CONTAINER
from services._chassis.clock import moment
from services._chassis.transition import Transition
from services.recovery.decisions.migrate import begin_migration
from services.recovery.domain.migration.migration import Migration
from services.recovery.domain.migration.migration_operation import MigrationOperation
from services.recovery.domain.protection import Protection, key_of
from tests.services.recovery.test_recovery_on_simulated_aws import TARGET, Account, account

__all__ = ["account"]


async def migrated(account: Account, tag: str, id_: str = "migration:1") -> MigrationOperation:
    registry = account.aws.world.registry
    migration = Migration(
        migration_id=id_, trigger=ManualTrigger(actor="ada"), command=("alembic", "upgrade", "head"),
        images={CONTAINER: f"{registry.uri}@{registry.tags[tag]}"}, minutes=30, asked_at=moment(account.clock.now()),
    )  # fmt: skip

    def begin(state: bytes | None) -> object:
        return begin_migration(Protection.from_bytes(state), TARGET, migration)

    await account.store.apply(Transition(key_of(TARGET), begin), cause="")  # type: ignore[arg-type]
    [held] = [held for held in account.store.jobs.values() if held.state == "queued"]
    await account._do(held)
    operation = read_record(MigrationOperation, await account.store.record(f"operation:{id_}"))
    assert operation is not None
    return operation


@pytest.mark.parametrize(("tag", "result", "code"), [("healthy", "succeeded", 0), ("database-failure", "failed", 1)])
async def test_one_task_runs_the_image_and_ends_as_it_does(account: Account, tag: str, result: str, code: int) -> None:
    operation = await migrated(account, tag)
    assert (operation.result, operation.exit_code, bool(operation.log)) == (result, code, code != 0)
    [arn] = account.console.list_tasks(cluster=CLUSTER, desiredStatus="STOPPED", family="court-case-backend-migrate")[
        "taskArns"
    ]
    [task] = account.console.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"]
    assert (task["startedBy"], task["launchType"]) == (_token("migration:1"), "FARGATE")
    assert account.live()["deployments"][0]["taskDefinition"].endswith("court-case-backend:1"), "nothing is deployed"


def _token(id_: str) -> str:
    return Migration(migration_id=id_, trigger=ManualTrigger(), command=("x",), minutes=1, asked_at=moment(0)).token
