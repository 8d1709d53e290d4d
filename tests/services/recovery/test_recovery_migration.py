"""A migration by hand: one task with the service's network and one image, once, whatever dies meanwhile."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from contracts.base import Target
from contracts.migration import MigrationFinished, MigrationStarted
from contracts.policy import Recovery as RecoverySection
from contracts.policy import ServicePolicy
from contracts.recovery import Arm, ManualTrigger
from services._aws.errors import AwsError
from services._chassis.jobs import FailedJob
from services.recovery.domain.protection import Protection, key_of
from tests.services.recovery.harness import GOOD, OTHER, REPOSITORY, SECRET, START, TARGET, Crash, Recovery

HERE = "CourtCaseCluster/BackendService"
DENIED = AwsError("ECS refused RunTask: AccessDeniedException", code="AccessDeniedException")
LOST = AwsError("ECS did not answer RunTask: ReadTimeoutError", temporary=True, sent_before=True)
SLOW_DOWN = AwsError("ECS refused RunTask: ThrottlingException", code="ThrottlingException", temporary=True)
UNENCRYPTED = f"postgresql+asyncpg://court:{SECRET}@db.internal/court"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}}


@pytest.fixture
def recovery() -> Recovery:
    mine = Recovery()
    mine.ecs.settings |= {"launchType": "FARGATE", "platformVersion": "1.4.0", "networkConfiguration": NETWORK}
    mine.ecs.definitions[0]["containerDefinitions"][0] |= {
        "portMappings": [{"containerPort": 8000}],
        "restartPolicy": {"enabled": True},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": "/ecs/backend", "awslogs-stream-prefix": "ecs", "awslogs-region": "us-west-2"},
        },
    }
    return mine


async def asked(web: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await web.post(f"/migrate/{HERE}", json=body)
    assert answer.status_code == 202, answer.text
    accepted: dict[str, Any] = answer.json()
    return accepted


async def migrated(recovery: Recovery, web: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    """Migrate to the end; return the operation."""
    accepted = await asked(web, **body)
    await recovery.work()
    operation: dict[str, Any] = (await web.get(f"http://here{accepted['url']}")).json()
    return operation


def environment(recovery: Recovery, **values: str) -> None:
    container = recovery.ecs.definitions[0]["containerDefinitions"][0]
    container["environment"] = [{"name": name, "value": value} for name, value in values.items()]


def governs(recovery: Recovery, **values: Any) -> None:
    recovery.policies.reload(ServicePolicy(target=TARGET, recovery=RecoverySection(**values)))


def runs(recovery: Recovery) -> list[Any]:
    return [what for verb, what in recovery.ecs.changing if verb == "run"]


async def test_the_command_of_the_requirements_runs_once_with_the_services_network_and_the_live_image(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    operation = await migrated(recovery, web, actor="ada", reason="the new column")
    assert (operation["state"], operation["result"], operation["exit_code"]) == ("finished", "succeeded", 0)
    assert operation["log"] == ["INFO [alembic.runtime.migration] Running upgrade a -> b"]
    [(task, command, _)] = recovery.one_off.started.values()
    assert command == ("alembic", "upgrade", "head")
    assert (task.container, task.image, task.network) == ("backend", GOOD, NETWORK)
    assert (task.launch_type, task.platform_version, task.providers) == ("FARGATE", "1.4.0", ())
    [started] = recovery.published(MigrationStarted)
    [finished] = recovery.published(MigrationFinished)
    assert started.trigger == ManualTrigger(actor="ada", reason="the new column")
    assert (finished.result, finished.exit_code, finished.image) == ("succeeded", 0, GOOD)
    shown = (await web.get(f"/migrations/{HERE}")).json()
    assert (shown["migration"], shown["past"][0]["result"]) == (None, "succeeded")
    assert SECRET not in str([event.event for event in recovery.store.emitted]) + str(operation)


async def test_the_task_has_a_family_of_its_own_without_what_serves_and_what_would_start_it_again(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    await migrated(recovery, web)
    [(_, body)] = [(verb, what) for verb, what in recovery.ecs.changing if verb == "register"]
    [container] = body["containerDefinitions"]
    assert (body["family"], container["essential"], container["image"]) == ("backend-migrate", True, GOOD)
    assert not container.keys() & {"portMappings", "restartPolicy", "healthCheck"}
    await migrated(recovery, web)
    assert [verb for verb, _ in recovery.ecs.changing] == ["register", "run", "run"], "the same is registered once"


@pytest.mark.parametrize("image", [OTHER, f"backend={OTHER}"])
async def test_the_image_that_is_named_runs(recovery: Recovery, web: httpx2.AsyncClient, image: str) -> None:
    await migrated(recovery, web, image=image, command=["alembic", "stamp", "head"])
    [(task, command, _)] = recovery.one_off.started.values()
    assert (task.image, command) == (OTHER, ("alembic", "stamp", "head"))


async def test_a_tag_is_looked_up_and_its_digest_runs(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    refused = await web.post(f"/migrate/{HERE}", json={"image": f"{REPOSITORY}:2.0"})
    assert (refused.status_code, "name it by its digest" in refused.text) == (409, True)
    recovery.registry.tags[f"{REPOSITORY}:2.0"] = "sha256:" + "d" * 64
    await migrated(recovery, web, image=f"{REPOSITORY}:2.0")
    [(task, _, _)] = recovery.one_off.started.values()
    assert task.image == f"{REPOSITORY}@sha256:{'d' * 64}"


@pytest.mark.parametrize("death", range(1, 4))
async def test_whoever_dies_at_whatever_step_the_task_is_started_once(
    recovery: Recovery, web: httpx2.AsyncClient, death: int
) -> None:
    await asked(web)
    await recovery.work(die_at=death)
    recovery.ecs.checked = True
    await recovery.work()
    assert len(recovery.one_off.started) == 1
    [finished] = recovery.published(MigrationFinished)
    assert finished.result == "succeeded"


async def test_a_death_right_after_the_call_finds_the_task_again(
    recovery: Recovery, web: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asked(web)
    run = recovery.one_off.run

    async def dies(*given: Any) -> str:
        await run(*given)
        raise Crash

    monkeypatch.setattr(recovery.one_off, "run", dies)
    await recovery.work()
    assert recovery.one_off.calls == 1, "it was found by who started it, and not asked for again"
    assert [finished.result for finished in recovery.published(MigrationFinished)] == ["succeeded"]


async def test_an_answer_that_is_lost_asks_again_for_the_same_task(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    recovery.one_off.lost, recovery.one_off.blind = [LOST], 1
    operation = await migrated(recovery, web)
    assert (operation["result"], recovery.one_off.calls, len(recovery.one_off.started)) == ("succeeded", 2, 1)


async def test_what_is_not_known_to_have_started_is_never_called_untouched(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    recovery.one_off.failing = [LOST] * 100
    operation = await migrated(recovery, web)
    assert (operation["state"], operation["result"]) == ("failed", "unknown")
    assert "what is half done only a person can say" in operation["sentence"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"failing": [DENIED]}, "AccessDeniedException"),
        ({"failing": [SLOW_DOWN] * 100}, "ThrottlingException"),
        ({"no_room": ["Capacity is unavailable at this time."] * 100}, "Capacity is unavailable"),
        (
            {"starts": False, "code": None, "end": {"stop_code": "TaskFailedToStart", "reason": "no free addresses"}},
            "no free addresses",
        ),
        ({"starts": False, "code": None, "end": {"stop_code": "UserInitiated", "reason": "wrong one"}}, "by a person"),
    ],
)
async def test_what_did_not_start_is_no_failed_migration(
    recovery: Recovery, web: httpx2.AsyncClient, change: dict[str, Any], why: str
) -> None:
    for name, value in change.items():
        setattr(recovery.one_off, name, value)
    operation = await migrated(recovery, web)
    assert (operation["state"], operation["result"]) == ("failed", "did_not_start")
    assert why in operation["sentence"]
    assert operation["sentence"].endswith("Nothing was migrated.")
    assert "may have changed" not in operation["sentence"]


async def test_room_that_comes_in_time_is_waited_for(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    recovery.one_off.no_room = ["Capacity is unavailable at this time."] * 3
    operation = await migrated(recovery, web)
    assert (operation["result"], recovery.one_off.calls) == ("succeeded", 4)


@pytest.mark.parametrize(
    ("change", "result", "why"),
    [
        ({"code": 1}, "failed", "exit code 1"),
        ({"code": None}, "unknown", "tells no exit code"),
        ({"code": 0, "container_reason": "OutOfMemoryError: killed"}, "failed", "want of memory"),
        ({"code": 137, "end": {"stop_code": "UserInitiated", "reason": "stopped"}}, "failed", "by a person"),
        ({"code": 0, "end": {"stop_code": "UserInitiated", "reason": "stopped"}}, "unknown", "by a person"),
        ({"code": 143, "end": {"stop_code": "InfrastructureHealth"}}, "failed", "its host was ill"),
    ],
)
async def test_what_has_run_and_did_not_end_well_may_have_changed_the_schema(
    recovery: Recovery, web: httpx2.AsyncClient, change: dict[str, Any], result: str, why: str
) -> None:
    for name, value in change.items():
        setattr(recovery.one_off, name, value)
    operation = await migrated(recovery, web)
    assert (operation["state"], operation["result"]) == ("failed", result)
    assert why in operation["sentence"]
    assert "the schema may have changed" in operation["sentence"]


async def test_the_end_of_the_log_is_shown_and_explained_without_secrets(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    recovery.one_off.code = 1
    recovery.one_off.lines = [
        *(f"line {number}" for number in range(60)), f"password is {SECRET}\x1b[31m",
        'asyncpg.exceptions.InvalidAuthorizationSpecificationError: no pg_hba.conf entry for host "10.0.0.1"',
    ]  # fmt: skip
    operation = await migrated(recovery, web)
    assert (len(operation["log"]), operation["log"][0]) == (50, "line 12")
    assert SECRET not in str(operation)
    assert "\x1b" not in str(operation)
    assert "?ssl=require for asyncpg" in operation["sentence"]


async def test_a_log_that_cannot_be_read_changes_no_result(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    recovery.one_off.lines = AwsError("CloudWatch Logs did not answer GetLogEvents: ResourceNotFoundException")
    operation = await migrated(recovery, web)
    assert (operation["result"], operation["log"]) == ("succeeded", [])
    assert "ResourceNotFoundException" in operation["sentence"]


async def test_an_unencrypted_url_is_found_before_the_task_starts_and_can_be_overridden(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    environment(recovery, DATABASE_URL=UNENCRYPTED)
    refused = await web.post(f"/migrate/{HERE}", json={})
    assert refused.status_code == 409
    assert "DATABASE_URL asks for no encrypted connection (?ssl=require for asyncpg)" in refused.text
    assert "database_encryption=REASON" in refused.text
    assert SECRET not in refused.text
    unknown = await web.post(f"/migrate/{HERE}", json={"overrides": [{"gate": "database_encrytion", "reason": "x"}]})
    assert (unknown.status_code, "did you mean database_encryption" in unknown.text) == (422, True)
    override = {"gate": "database_encryption", "reason": "a tunnel"}
    operation = await migrated(recovery, web, overrides=[override])
    assert operation["result"] == "succeeded"
    assert "asks for no encrypted connection" in operation["warnings"][0]


async def test_after_a_failed_one_a_person_says_that_they_have_looked(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    recovery.one_off.code = 1
    await migrated(recovery, web)
    refused = await web.post(f"/migrate/{HERE}", json={})
    assert refused.status_code == 409
    assert "only a person can say (It ended with exit code 1" in refused.json()["detail"]
    assert "The override schema_known=REASON lets it pass" in refused.json()["detail"]
    recovery.one_off.code = 0
    operation = await migrated(recovery, web, overrides=[{"gate": "schema_known", "reason": "nothing was done"}])
    assert (operation["result"], recovery.protection.schema_left) == ("succeeded", "")


async def test_the_policys_command_and_container_run_where_the_request_names_none(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    governs(recovery, migration_command=("flask", "db", "upgrade"), migration_container="backend")
    await migrated(recovery, web)
    await migrated(recovery, web, command=["alembic", "upgrade", "head"])
    commands = [command for _, command, _ in recovery.one_off.started.values()]
    assert commands == [("flask", "db", "upgrade"), ("alembic", "upgrade", "head")]
    governs(recovery, migration_container="sidecar")
    refused = await web.post(f"/migrate/{HERE}", json={})
    assert "The task has no container sidecar" in refused.json()["detail"]


async def test_a_dry_run_says_what_would_run_and_starts_nothing(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    shown = (await web.post(f"/migrate/{HERE}", json={"dry_run": True})).json()
    assert shown["sentence"] == f"Runs alembic upgrade head in the container backend with {GOOD}, once."
    assert recovery.ecs.changing == []


async def test_a_service_whose_task_definition_ecs_does_not_tell_is_not_migrated(
    recovery: Recovery, web: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a controller other than ECS's own deploys it, and where ECS leaves an optional field out."""
    described = await recovery.ecs.service(TARGET)
    assert described is not None

    async def untold(_: Target) -> dict[str, Any]:
        return {name: value for name, value in described.items() if name not in {"taskDefinition", "deployments"}}

    monkeypatch.setattr(recovery.ecs, "service", untold)
    refused = await web.post(f"/migrate/{HERE}", json={})
    assert refused.status_code == 409
    assert "ECS does not say which task definition the service runs" in refused.json()["detail"]


async def test_a_migration_beyond_its_time_goes_on_and_is_followed_to_its_end(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    recovery.one_off.seconds = 3 * 3600
    accepted, seen = await asked(web, timeout_minutes=5), list[dict[str, Any]]()

    async def look() -> None:
        seen.append((await web.get(f"http://here{accepted['url']}")).json())

    sleep = recovery.clock.sleep

    async def sleep_and_look(seconds: float) -> None:
        await sleep(seconds * 60)
        await look()

    recovery.clock.sleep = sleep_and_look  # type: ignore[method-assign]
    await recovery.work()
    overdue = [operation for operation in seen if operation["overdue"]]
    assert overdue[0]["state"] == "running"
    assert "It takes longer than 5 minutes. It goes on" in overdue[0]["sentence"]
    assert recovery.one_off.stopped == []
    assert [finished.result for finished in recovery.published(MigrationFinished)] == ["succeeded"]


async def test_one_that_ecs_does_not_describe_is_told_once_its_time_is_over(
    recovery: Recovery, web: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted, seen = await asked(web, timeout_minutes=5), list[dict[str, Any]]()
    describe, sleep = recovery.one_off.task, recovery.clock.sleep

    async def refused(*given: Any) -> Any:
        if recovery.clock.now() < START.timestamp() + 900:
            raise AwsError("ECS did not answer DescribeTasks: AccessDeniedException", code="AccessDeniedException")
        return await describe(*given)

    async def sleep_and_look(seconds: float) -> None:
        await sleep(seconds * 6)
        seen.append((await web.get(f"http://here{accepted['url']}")).json())

    monkeypatch.setattr(recovery.one_off, "task", refused)
    recovery.clock.sleep = sleep_and_look  # type: ignore[method-assign]
    await recovery.work()
    overdue = next(operation for operation in seen if operation["overdue"])
    assert overdue["state"] == "running"
    assert "cannot be seen: ECS did not answer DescribeTasks" in overdue["sentence"]
    assert [finished.result for finished in recovery.published(MigrationFinished)] == ["succeeded"]


async def test_where_the_policy_says_so_it_is_stopped_and_that_is_told(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    governs(recovery, migration_at_limit="stop", migration_minutes=2)
    recovery.one_off.seconds = 3600
    operation = await migrated(recovery, web)
    assert (operation["result"], len(recovery.one_off.stopped)) == ("failed", 1)
    assert operation["sentence"].startswith("Surefoot stopped it, since its time was over (exit code 143).")


async def test_a_task_that_ecs_has_forgotten_has_an_unknown_end(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await asked(web)
    recovery.clock.while_asleep.append(lambda: setattr(recovery.one_off, "forgotten", True))
    await recovery.work()
    assert [finished.result for finished in recovery.published(MigrationFinished)] == ["unknown"]


async def test_there_is_one_at_a_time_and_no_run_arms_meanwhile(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    snapshot = await recovery.snapshot()
    await asked(web)
    second = await web.post(f"/migrate/{HERE}", json={})
    assert (second.status_code, "is under way on this service" in second.text) == (409, True)
    answer = await recovery.send(
        Arm(target=TARGET, run_id="run-1", snapshot_id=snapshot, expires_at=recovery.now + timedelta(hours=1)), "arm"
    )
    assert answer is not None
    assert (answer.verdict, "is under way on this service" in answer.summary) == ("fail", True)
    await recovery.work()
    await recovery.arm()
    held = await web.post(f"/migrate/{HERE}", json={})
    assert (held.status_code, "is armed on this service" in held.text) == (409, True)


async def test_the_same_request_is_done_once(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = await web.post(f"/migrate/{HERE}", json={}, headers=key)
    again = await web.post(f"/migrate/{HERE}", json={}, headers=key)
    assert first.json()["operation_id"] == again.json()["operation_id"]
    await recovery.work()
    last = await web.post(f"/migrate/{HERE}", json={}, headers=key)
    assert (last.status_code, len(recovery.one_off.started)) == (202, 1)
    other = await web.post(f"/migrate/{HERE}", json={"command": ["x"]}, headers=key)
    assert other.status_code == 422


async def test_a_redis_from_before_follows_the_task_and_never_starts_it(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    recovery.one_off.seconds = 600
    await asked(web)
    recovery.clock.while_asleep.append(_crash_once(recovery))
    await recovery.work()
    [started] = recovery.published(MigrationStarted)
    recovery.store.states.clear()
    recovery.store.jobs.clear()
    await recovery.send(started, "again", again=True)
    await recovery.fire()
    await recovery.work()
    assert recovery.one_off.calls == 1
    assert [finished.result for finished in recovery.published(MigrationFinished)] == ["succeeded"]


def _crash_once(recovery: Recovery) -> Any:
    left = [1]

    def crash() -> None:
        if left and recovery.one_off.calls:
            left.pop()
            raise Crash

    return crash


async def test_a_redis_from_before_with_a_task_that_ecs_forgot_does_not_start_it_again(recovery: Recovery) -> None:
    source = Recovery()
    event = MigrationStarted(
        target=TARGET, migration_id="migration:1", command=("alembic", "upgrade", "head"), image=GOOD,
        container="backend", task_definition="arn:aws:ecs:us-west-2:1:task-definition/backend-migrate:1",
        sentence="Runs.", minutes=30, trigger=ManualTrigger(),
    )  # fmt: skip
    assert await source.send(event, "m") is None
    assert source.protection.migration is None, "in ordinary times its own word changes nothing"
    await recovery.send(event, "m", again=True, at=START - timedelta(hours=3))
    await recovery.fire()
    await recovery.work()
    assert recovery.one_off.calls == 0
    assert [finished.result for finished in recovery.published(MigrationFinished)] == ["unknown"]
    known = await recovery.send(recovery.published(MigrationFinished)[0], "f", again=True)
    assert known is None


async def test_the_published_end_is_believed_after_a_restoration(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await migrated(recovery, web)
    [started], [finished] = recovery.published(MigrationStarted), recovery.published(MigrationFinished)
    recovery.store.states.clear()
    await recovery.send(started, "s", again=True)
    await recovery.send(finished, "f", again=True)
    await recovery.fire()
    assert recovery.protection.migration is None
    assert [past.result for past in recovery.protection.past_migrations] == ["succeeded"]


async def test_a_job_that_fails_for_good_leaves_no_migration_behind(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    accepted = await asked(web)
    [held] = [held for held in recovery.store.jobs.values() if held.job.kind == "migrate"]
    failed = FailedJob(held.job.id, held.job.payload, "failed 5 times: it took too long")
    recovery.store.write(recovery.handlers.failures["migrate"](failed))
    operation = (await web.get(f"http://here{accepted['url']}")).json()
    assert (operation["result"], recovery.protection.migration) == ("did_not_start", None)
    assert Protection.from_bytes(recovery.store.states[key_of(TARGET)]).past_migrations[0].result == "did_not_start"
