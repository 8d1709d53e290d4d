"""Finds what a rollback changes beside the version: what is undone goes back, and nothing else."""

from typing import Any

from contracts.base import Target
from services._aws.errors import AwsError
from services.recovery.domain.change import Body
from services.recovery.domain.outside.course import settings_to_undo
from services.recovery.domain.protection import RollingBack
from services.recovery.domain.rollback.roll_back import restores_all
from services.recovery.domain.snapshots.snapshot import Snapshot, differences, version_alone
from services.recovery.ports.service import Ecs


async def changes_back(
    ecs: Ecs, target: Target, rollback: RollingBack, snapshot: Snapshot, service: Body, goal: str
) -> dict[str, tuple[Any, Any]]:
    """Return what UpdateService is to change: setting → (now, then). ``goal``: the task definition to run.

    What others have changed since stays: a run changes the version alone, and the deployment that an alert accuses what
    differs between its service revisions. A person brings all of the snapshot back. Raise ``AwsError``.
    """
    if restores_all(rollback, snapshot):
        return differences(snapshot, service, goal)
    changes = version_alone(service, goal)
    if rollback.revisions is None:
        return changes
    known = await ecs.service_revisions(target, rollback.revisions)
    bodies = {str(body.get("serviceRevisionArn")): body for body in known}
    if not bodies.keys() >= {*rollback.revisions}:
        raise AwsError("ECS does not tell what the deployment has changed", temporary=True)
    before, after = (bodies[arn] for arn in rollback.revisions)
    return changes | {name: (after.get(name), then) for name, then in settings_to_undo(before, after).items()}
