"""Changes the service, at most once for a run: look, register a task definition if needed, update if needed."""

from dataclasses import dataclass
from typing import Any

from contracts.base import Target, caused_id
from contracts.change_scope import why_not_permitted
from contracts.deployment import Cause, TaskDefinitionChange
from contracts.gates import Gate
from contracts.recovery import CHANGE_ACCEPTED, CHANGE_APPLIED, ApplyChange, ChangeApplied
from contracts.results import ChangeOutput
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.reasons import Impossible
from services._chassis.store import Store
from services._chassis.transition import Decision, Emit, Transition
from services.recovery.domain import arm as arming
from services.recovery.domain.change import Body, UnknownContainer, content_hash, with_images
from services.recovery.domain.ecs_service import primary_of
from services.recovery.domain.migration.migration_gates import ecs_would_go_back, who_of_ecs_goes_back
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.scope import (
    Refused,
    check_asked,
    check_named,
    check_tag,
    tag_to_look_up,
    version_of,
)
from services.recovery.domain.snapshots.content import Content
from services.recovery.domain.work import ChangeWork
from services.recovery.ports.service import Ecs, Images

TRIES = 3
"""How often UpdateService is called where its result is not known; before each call the service is looked at."""
PAUSE_SECONDS = 5.0
WRONG_REQUEST = frozenset({
    "ClientException", "InvalidParameterException", "PlatformUnknownException", "NamespaceNotFoundException",
    "PlatformTaskDefinitionIncompatibilityException", "UnsupportedFeatureException", "ClusterNotFoundException",
    "ServiceNotFoundException", "ServiceNotActiveException",
})  # fmt: skip
"""Error codes of ECS for a request that cannot be carried out as it is written."""


class Moved(Exception):
    """Somebody else has deployed: a rollback to the snapshot would undo that, too."""


class Unknown(Exception):
    """UpdateService was called, and whether it has taken effect is not known."""


@dataclass(frozen=True, slots=True)
class ChangeJob:
    ecs: Ecs
    images: Images
    policies: Policies
    store: Store
    clock: Clock

    async def __call__(self, running: Running) -> Transition:
        work = ChangeWork.from_bytes(running.payload)
        protection = await self.store.read(key_of(work.target), Protection)
        if not arming.may_still_change(protection, work.run_id, work.epoch, moment(self.clock.now())):
            return self._failed(running, work, "Recovery is not armed for this run any more.", Cause.REFUSED)
        # an earlier attempt that knew the version may have called UpdateService, and a restored Redis forgets attempts
        untouched = running.saved is None and running.same_redis and not work.read_again
        try:
            version, is_new, content = await self._version(running, work)
            primary = await self._live(running, work, version)
        except Moved as moved:
            return self._failed(running, work, str(moved), Cause.SUPERSEDED)
        except (Impossible, UnknownContainer, Refused) as impossible:
            refused = impossible if isinstance(impossible, Refused) else Refused(str(impossible), Cause.USAGE)
            return self._failed(running, work, str(refused), refused.cause, *refused.gates, untouched=untouched)
        except Unknown as unknown:
            return self._failed(running, work, str(unknown), Cause.ERROR)
        except AwsError as failed:
            return self._failed(
                running, work, f"{failed}.", _cause_of(failed, untouched=untouched), untouched=untouched
            )
        return self._applied(running, work, primary, content, is_new=is_new)

    async def _version(self, running: Running, work: ChangeWork) -> tuple[str, bool, str]:
        """Return the ARN of the task definition to run, whether it differs from that before, and its fingerprint.

        What an earlier attempt has found differs, and its fingerprint is not known any more.
        """
        if running.saved is not None:
            return running.saved.decode(), True, ""
        primary = primary_of(await self._service(work))
        old = await self.ecs.task_definition(work.target, primary["taskDefinition"])
        if old is None:
            raise Impossible("ECS does not know the task definition that is live.")
        check_asked(work.change, work.images, work.task_definition, version_of(old))
        base = old if work.task_definition is None else await self._named(work, work.task_definition)
        body = with_images(base, work.images)
        # a change that Redis has forgotten is live already, and its tag may name another image by now
        if work.snapshot_deployment in {None, primary["id"]}:
            await self._check_tag(work)
        elif content_hash(body) != content_hash(old):
            raise _moved(primary)
        self._check_permitted(work, old, body)
        version = await self._registered(running, work.target, base, body)
        await running.checkpoint(version.encode())
        return version, version != old["taskDefinitionArn"], Content(body, {}).fingerprint

    async def _named(self, work: ChangeWork, wanted: str) -> Body:
        """Return the task definition to apply, which must be ACTIVE, and the one that was asked for."""
        base = await self.ecs.task_definition(work.target, wanted)
        if base is None or base.get("status") != "ACTIVE":
            raise Impossible(f"There is no active task definition {wanted}.")
        if isinstance(work.change, TaskDefinitionChange) and work.change.task_definition != base["taskDefinitionArn"]:
            asked = work.change.task_definition
            named = await self.ecs.task_definition(work.target, asked)
            check_named(asked, named["taskDefinitionArn"] if named else None, base["taskDefinitionArn"])
        return base

    def _check_permitted(self, work: ChangeWork, live: Body, new: Body) -> None:
        """Raise ``Refused`` for what the policy in force does not allow: one that was narrowed holds at once."""
        try:
            allowed = self.policies.of(work.target).change
        except LookupError as error:
            raise Refused(f"{error}.") from None
        why = why_not_permitted(version_of(live), version_of(new), allowed)
        if why is not None:
            raise Refused(why, Cause.USAGE)

    async def _check_tag(self, work: ChangeWork) -> None:
        """Raise ``NotAsked`` where the tag names another image; a registry that cannot be read says nothing."""
        tagged = tag_to_look_up(work.change)
        if tagged is None:
            return
        now = await self.images.digest(work.target, tagged)
        if now is not None:
            check_tag(tagged, now, work.images)

    async def _registered(self, running: Running, target: Target, base: Body, body: Body) -> str:
        """Find the task definition by its content before registering it: an answer may have been lost."""
        wanted = content_hash(body)
        try:
            known = await self.ecs.revisions(target, body["family"])
        except AwsError:
            known = []  # at worst the same content is registered twice
        for revision in (base, *known):
            if revision.get("status", "ACTIVE") == "ACTIVE" and content_hash(revision) == wanted:
                return str(revision["taskDefinitionArn"])
        await running.check()
        return await self.ecs.register(target, body)

    async def _live(self, running: Running, work: ChangeWork, version: str) -> dict[str, Any]:
        """Return the primary deployment that runs ``version``; UpdateService is called only if there is none.

        Only the deployment that the snapshot shows is replaced, so that a rollback brings back what was there. The same
        holds when a change that was made already is repeated: whatever was deployed after it stays.
        """
        primary = await self._look(work, version)
        if primary["taskDefinition"] == version:
            return primary
        await running.check()
        try:
            return await self._update(work, version)
        except AwsError as failed:
            if not (failed.temporary or failed.sent_before):
                raise
            return await self._again(running, work, version, f"{failed}.")

    async def _again(self, running: Running, work: ChangeWork, version: str, why: str) -> dict[str, Any]:
        """Look and call UpdateService again after a call of which it is not known whether it took effect."""
        for _ in range(TRIES - 1):
            await self.clock.sleep(PAUSE_SECONDS)
            try:
                primary = await self._look(work, version)
                if primary["taskDefinition"] == version:
                    return primary
                await running.check()
                return await self._update(work, version)
            except (AwsError, Impossible, Refused) as failed:
                why = f"{str(failed).rstrip('.')}."
        raise Unknown(f"Whether the change was made is not known: {why}")

    async def _update(self, work: ChangeWork, version: str) -> dict[str, Any]:
        updated = await self.ecs.update(work.target, {"taskDefinition": version})
        if EcsService(updated).primary is None:
            raise AwsError("ECS did not say which deployment it has begun", temporary=True)
        return primary_of(updated)

    async def _look(self, work: ChangeWork, version: str) -> dict[str, Any]:
        """Return the primary deployment: the change's own, or the one that the snapshot shows.

        Raise ``Moved``, or ``Refused`` where ECS itself would go back from the change, over the run's migration.
        """
        service = await self._service(work)
        primary = primary_of(service)
        if primary["taskDefinition"] == version:
            return primary
        if work.snapshot_deployment not in {None, primary["id"]}:
            raise _moved(primary)
        if work.without_ecs_rollback and (by := who_of_ecs_goes_back(service)):
            gate = ecs_would_go_back(by)
            raise Refused(gate.detail, Cause.GATE, (gate,))
        return primary

    async def _service(self, work: ChangeWork) -> Body:
        service = await self.ecs.service(work.target)
        if service is None:
            raise Impossible(f"There is no service {work.target}.")
        deletion = EcsService(service).being_deleted
        if deletion is not None:
            raise Impossible(f"Nothing was deployed: {deletion}.")
        if EcsService(service).primary is None:
            raise AwsError("ECS lists no deployment of the service", temporary=True)
        return service

    def _applied(
        self, running: Running, work: ChangeWork, primary: dict[str, Any], content: str, *, is_new: bool
    ) -> Transition:
        deployment, version = primary["id"], primary["taskDefinition"]
        name = version.rpartition("/")[2]
        # a change that Redis has forgotten is live already; the snapshot is of before it
        is_new = is_new or work.snapshot_deployment not in {None, deployment}
        event = ChangeApplied(target=work.target, run_id=work.run_id, deployment_id=deployment, task_definition=version)
        summary = (
            f"{deployment} rolls {name} out."
            if is_new
            else f"nothing was changed: {name} runs already, and {deployment} counts as this run's deployment"
        )
        now = moment(self.clock.now())
        output = ChangeOutput(deployment_id=deployment, task_definition=version, applied_at=now, changed=is_new)
        gate = Gate.true(CHANGE_APPLIED, holds=True, detail=deployment if is_new else summary)
        answer = _command(running, work).passed(summary, gate, output=output)
        applied = Emit(event, caused_id(running.id, "change-applied"))

        def decide(state: bytes | None) -> Decision:
            protection = Protection.from_bytes(state)
            ended = arming.end_change(protection, running.id, deployment, version, now, content)
            # a rollback that began meanwhile must know that the change took effect
            return Decision(
                ended.to_bytes(), emit=(applied,) if _was_stopped(protection, work, running.id) else (applied, answer)
            )

        return Transition(key_of(work.target), decide)

    def _failed(
        self, running: Running, work: ChangeWork, summary: str, cause: Cause, *because: Gate, untouched: bool = False
    ) -> Transition:
        """``untouched``: it is certain that nothing of this change has reached the service."""
        now = moment(self.clock.now())
        gate = Gate.true(CHANGE_ACCEPTED if untouched else CHANGE_APPLIED, holds=False, detail=summary)
        answer = _command(running, work).failed(summary, cause, gate, *because)

        def decide(state: bytes | None) -> Decision:
            protection = Protection.from_bytes(state)
            ended = arming.end_change(protection, running.id, None, None, now)
            return Decision(ended.to_bytes(), emit=() if _was_stopped(protection, work, running.id) else (answer,))

        return Transition(key_of(work.target), decide)


def _moved(primary: Body) -> Moved:
    return Moved(f"Since its snapshot was taken the service was deployed to by others ({primary['id']}).")


def _cause_of(failed: AwsError, *, untouched: bool) -> Cause:
    """Return why the change failed. What an earlier attempt may have changed was not refused: it is rolled back."""
    if failed.code in WRONG_REQUEST and not failed.temporary:
        return Cause.USAGE
    return Cause.REFUSED if untouched and not failed.temporary else Cause.ERROR


def _command(running: Running, work: ChangeWork) -> Command:
    return Command.to(ApplyChange, work.target, work.run_id, running.id)


def _was_stopped(protection: Protection, work: ChangeWork, job: str) -> bool:
    """Return whether this change was stopped meanwhile; its command was then answered, too (``stop_change``)."""
    held = protection.arm
    ours = held is not None and held.run_id == work.run_id and held.change is not None and held.change.job == job
    return not ours or protection.rollback is not None
