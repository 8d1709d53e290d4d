"""The API as a caller sees it."""

from datetime import timedelta

import httpx2
import orjson
import pytest

from contracts import policy
from contracts.policy import ServicePolicy
from contracts.policy_holds import Approval, Holds
from contracts.recovery import Arm, Disarm, ManualTrigger, RollbackFinished, RollbackStarted
from services._aws.errors import AwsError
from services.recovery.domain.readiness import Need
from tests.services.recovery.harness import ARN, BAD, OTHER, SECRET, TARGET, Recovery

HERE = "CourtCaseCluster/BackendService"


async def test_a_snapshot_is_asked_for_followed_and_listed(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    headers = {"Idempotency-Key": "release 7"}
    asked = await web.post(f"/snapshot/{HERE}", headers=headers)
    assert asked.status_code == 202
    again = await web.post(f"/snapshot/{HERE}", headers=headers)
    assert asked.json() == again.json()
    url = asked.json()["url"]
    assert asked.headers["location"] == url
    assert (await web.get(f"http://here{url}")).json()["state"] == "running"
    await recovery.work()
    done = (await web.get(f"http://here{url}")).json()
    assert (done["state"], done["result"], done["target"]) == (
        "finished", "stored", f"123456789012/us-west-2/{HERE}",
    )  # fmt: skip
    recovery.clock.time += 60
    await web.post(f"/snapshot/{HERE}")
    await recovery.work()
    listed = await web.get(f"/snapshots/{HERE}")
    ids = [snapshot["snapshot_id"] for snapshot in listed.json()["snapshots"]]
    assert ids == sorted(ids, reverse=True)
    assert (len(ids), ids[1]) == (2, asked.json()["snapshot_id"])
    assert SECRET not in listed.text
    assert "DATABASE_URL" in listed.text


async def test_a_dry_run_says_exactly_what_would_change_and_changes_nothing(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    snapshot = await recovery.snapshot()
    recovery.ecs.desired = 2
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(BAD))
    answer = await web.post(f"/rollback/{HERE}", json={"snapshot_id": snapshot, "dry_run": True})
    assert answer.status_code == 200
    assert answer.json()["changes"] == [
        {"setting": "taskDefinition", "from": f"{ARN}:2", "to": f"{ARN}:1"},
    ]
    assert SECRET not in answer.text
    assert (recovery.ecs.changing, recovery.published(RollbackStarted)) == ([], [])


async def test_a_rollback_by_hand_needs_no_run(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    snapshot = await recovery.snapshot()
    recovery.ecs.desired = 2
    recovery.clock.time += 3600
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(BAD))
    body = {"snapshot_id": snapshot, "actor": "ada", "reason": "much fails since tonight"}
    headers = {"Idempotency-Key": "tonight"}
    asked = await web.post(f"/rollback/{HERE}", json=body, headers=headers)
    assert asked.status_code == 202
    assert "are held until somebody releases that: surefoot release " in asked.json()["hold"]
    another = await web.post(f"/rollback/{HERE}", json=body)
    assert (another.status_code, asked.json()["rollback_id"] in another.json()["detail"]) == (409, True)
    await recovery.work()
    repeated = await web.post(f"/rollback/{HERE}", json=body, headers=headers)
    assert repeated.json() == asked.json()
    other = await web.post(f"/rollback/{HERE}", json=body | {"reason": "another"}, headers=headers)
    assert (other.status_code, other.json()["title"]) == (422, "The Idempotency-Key was used before")
    await recovery.work()
    done = (await web.get(f"/operations/{asked.json()['operation_id']}")).json()
    assert (done["state"], done["result"], done["rollback"]["by"]) == ("finished", "restored", "surefoot")
    assert (recovery.ecs.updates, recovery.ecs.desired) == ([f"{ARN}:1"], 2)
    assert recovery.protection.taken_back(None, f"{ARN}:2"), "no alert outside a run goes back to it"
    assert recovery.protection.taken_back(None, f"{ARN}:1") is None
    [finished] = recovery.published(RollbackFinished)
    assert (finished.run_id, finished.rollback_id) == (None, asked.json()["rollback_id"])
    assert finished.taken_back is not None
    assert finished.taken_back.task_definition == f"{ARN}:2"
    [started] = recovery.published(RollbackStarted)
    assert started.cause == ManualTrigger(actor="ada", reason="much fails since tonight")
    assert started.trigger == "asked for by ada: much fails since tonight"
    assert (finished.rollback.actor, finished.rollback.reason) == ("ada", "much fails since tonight")
    assert (done["actor"], done["rollback"]["reason"]) == ("ada", "much fails since tonight")


async def test_a_rollback_by_hand_to_what_is_live_changes_nothing(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    snapshot = await recovery.snapshot()
    asked = await web.post(f"/rollback/{HERE}", json={"snapshot_id": snapshot})
    await recovery.work()
    done = (await web.get(f"/operations/{asked.json()['operation_id']}")).json()
    assert (done["result"], done["rollback"]["by"], recovery.ecs.changing) == ("restored", "other", [])
    [started] = recovery.published(RollbackStarted)
    assert isinstance(started.triggered_by, ManualTrigger)
    assert recovery.protection.taken_back(None, recovery.ecs.live) is None


async def test_a_rollback_by_hand_leaves_alone_what_somebody_deploys_meanwhile(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    snapshot = await recovery.snapshot()
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(BAD))
    other = recovery.ecs.add_definition(OTHER)
    recovery.ecs.after_update.append(lambda: recovery.ecs.deploy_elsewhere(other))
    asked = await web.post(f"/rollback/{HERE}", json={"snapshot_id": snapshot})
    await recovery.work()
    done = (await web.get(f"/operations/{asked.json()['operation_id']}")).json()
    assert (done["result"], recovery.ecs.updates) == ("superseded", [f"{ARN}:1"])


async def test_an_armed_run_is_not_undone_behind_its_back(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await recovery.arm("run-7")
    held = recovery.protection.arm
    assert held is not None
    answer = await web.post(f"/rollback/{HERE}", json={"snapshot_id": held.snapshot_id})
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert "run-7" in answer.json()["detail"]
    recovery.clock.time += 3600
    answer = await web.post(f"/rollback/{HERE}", json={"snapshot_id": held.snapshot_id})
    assert answer.status_code == 202


async def test_each_decision_is_shown_the_newest_first(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await recovery.arm("run-7")
    held = recovery.protection.arm
    assert held is not None
    body = {"snapshot_id": held.snapshot_id, "actor": "ada", "reason": "it is slow"}
    for _ in range(2):
        await web.post(f"/rollback/{HERE}", json=body)
    recovery.clock.time += 3600
    begun = (await web.post(f"/rollback/{HERE}", json=body)).json()["rollback_id"]
    answer = (await web.get(f"/decisions/{HERE}")).json()
    assert answer["target"] == f"123456789012/us-west-2/{HERE}"
    acted, refused = answer["decisions"]
    assert (acted["decision"], acted["reason"], acted["rollback_id"]) == ("acted", "person", begun)
    assert (refused["decision"], refused["reason"], refused["rollback_id"]) == ("declined", "under-way", "")
    assert "Run run-7 is armed on this service" in refused["sentence"]
    assert {entry["trigger"]["actor"] for entry in answer["decisions"]} == {"ada"}
    assert len((await web.get(f"/decisions/{HERE}?limit=1")).json()["decisions"]) == 1
    assert (await web.get(f"/decisions/{HERE}?limit=101")).status_code == 422


async def test_a_service_that_is_not_there_has_no_decisions(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    assert (await web.get(f"/decisions/{HERE}")).json()["decisions"] == []
    recovery.ecs.gone = True
    assert (await web.get(f"/decisions/{HERE}")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", f"/rollback/{HERE}", {"snapshot_id": "20240112_143000"}, 404),
        ("POST", f"/rollback/{HERE}", {"snapshot_id": "../../../etc/passwd"}, 422),
        ("POST", f"/rollback/{HERE}", {"snapshot_id": "20240112_143000/../x"}, 422),
        ("POST", f"/rollback/{HERE}", {"snapshot_id": "20240112_143000", "dryrun": True}, 422),
        ("POST", f"/rollback/{HERE}", {}, 422),
        ("GET", "/snapshots/a%20b/c", None, 422),
        ("GET", "/operations/nothing", None, 404),
        ("GET", "/operations/a%20b", None, 422),
    ],
)
async def test_what_does_not_exist_or_fit_is_a_problem_with_a_sentence(
    web: httpx2.AsyncClient, method: str, path: str, body: dict[str, object] | None, status: int
) -> None:
    answer = await web.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json()["detail"]


async def test_an_unknown_service_is_not_found(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    recovery.ecs.gone = True
    for method, path in (("POST", "snapshot"), ("GET", "snapshots"), ("POST", "rollback")):
        body = {"snapshot_id": "20240112_143000"} if path == "rollback" else None
        answer = await web.request(method, f"/{path}/{HERE}", json=body)
        assert (answer.status_code, "BackendService" in answer.json()["detail"]) == (404, True)


async def test_a_service_that_is_being_deleted_is_listed_and_not_rolled_back(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    await recovery.snapshot()
    recovery.ecs.settings["status"] = "DRAINING"
    assert (await web.get(f"/snapshots/{HERE}")).status_code == 200
    answer = await web.post(f"/rollback/{HERE}", json={"snapshot_id": "20240112_143000"})
    assert (answer.status_code, "is DRAINING: it is being deleted" in answer.json()["detail"]) == (409, True)


async def test_a_fault_of_aws_is_told_without_parameters(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    recovery.ecs.failing = [AwsError("ecs:DescribeServices failed: AccessDeniedException.", temporary=False)]
    answer = await web.post(f"/snapshot/{HERE}")
    assert (answer.status_code, "AccessDenied" in answer.json()["detail"]) == (502, True)


async def test_a_snapshot_asked_for_over_http_leaves_what_the_policy_in_force_keeps(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    recovery.policies.reload(ServicePolicy(target=TARGET, recovery=policy.Recovery(keep=2)))
    for _ in range(4):
        recovery.clock.time += 60
        await web.post(f"/snapshot/{HERE}")
        await recovery.work()
    assert len((await web.get(f"/snapshots/{HERE}")).json()["snapshots"]) == 2


async def test_all_that_are_kept_are_listed(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    recovery.policies.reload(ServicePolicy(target=TARGET, recovery=policy.Recovery(keep=40)))
    for _ in range(30):
        recovery.clock.time += 60
        await web.post(f"/snapshot/{HERE}")
        await recovery.work()
    assert len((await web.get(f"/snapshots/{HERE}")).json()["snapshots"]) == 30


async def test_a_rollback_by_hand_is_possible_where_recovery_is_disabled(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    recovery.policies.reload(ServicePolicy(target=TARGET, recovery=policy.Recovery(enabled=False)))
    snapshot = await recovery.snapshot()
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(BAD))
    asked = await web.post(f"/rollback/{HERE}", json={"snapshot_id": snapshot})
    assert asked.status_code == 202
    await recovery.work()
    assert [finished.result for finished in recovery.published(RollbackFinished)] == ["restored"]


async def test_account_and_region_tell_services_of_one_name_apart(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await recovery.snapshot()
    shown = await web.get(f"/snapshots/{HERE}?account=210987654321&region=eu-west-1")
    assert shown.json()["target"] == f"210987654321/eu-west-1/{HERE}"


async def test_a_service_that_was_taken_from_the_policy_is_still_listed_and_rolled_back_by_hand(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    await recovery.deployed()
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "disarm")
    recovery.policies.refused = frozenset({TARGET})
    (snapshot,) = (await web.get(f"/snapshots/{HERE}")).json()["snapshots"]
    asked = await web.post(f"/rollback/{HERE}", json={"snapshot_id": snapshot["snapshot_id"]})
    assert asked.status_code == 202
    await recovery.work()
    assert [finished.result for finished in recovery.published(RollbackFinished)] == ["restored"]
    refused = await web.post(f"/snapshot/{HERE}")
    assert (refused.status_code, refused.json()["title"]) == (404, "No such service here"), "which begins something new"


async def test_what_differs_between_two_snapshots_is_told_in_words(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    before = await recovery.snapshot()
    recovery.clock.time += 60
    recovery.ecs.definitions[0]["containerDefinitions"][0]["environment"][0]["value"] = f"{SECRET}!"
    recovery.ecs.desired = 5
    after = await recovery.snapshot("run-2")
    found = await web.get(f"/snapshots/{HERE}/diff", params={"from": before, "to": after})
    assert found.json()["differences"] == [
        "The variable DATABASE_URL of the container backend has changed.",
        "The desired count was 3, and is 5.",
    ]
    assert SECRET not in found.text
    none = await web.get(f"/snapshots/{HERE}/diff", params={"from": before, "to": "20200101_000000_00000000"})
    assert (none.status_code, "There is no snapshot 20200101_000000_00000000" in none.json()["detail"]) == (404, True)
    wrong = await web.get(f"/snapshots/{HERE}/diff", params={"from": "../x", "to": after})
    assert wrong.status_code == 422


async def test_the_drift_of_the_live_service_is_shown(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    unproven = await web.get(f"/drift/{HERE}")
    assert (unproven.json()["state"], unproven.json()["snapshot_id"]) == ("not-judged", None)
    good = await recovery.snapshot(purpose="after-change")
    recovery.ecs.settings["enableExecuteCommand"] = True
    found = (await web.get(f"/drift/{HERE}")).json()
    assert (found["state"], found["snapshot_id"]) == ("drifted", good)
    assert found["differences"] == ["enableExecuteCommand is true, and was not set in the snapshot."]
    recovery.ecs.gone = True
    assert (await web.get(f"/drift/{HERE}")).status_code == 404


async def test_it_is_shown_to_which_snapshots_one_can_go_back(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await recovery.snapshot(purpose="after-change")
    found = (await web.get(f"/readiness/{HERE}")).json()
    assert (found["ready"], [way["sentence"] for way in found["snapshots"]]) == (True, ["You can go back to it."])
    assert [plan["plan"] for plan in found["plans"]] == ["rollback", "scaling", "recreate"]
    recovery.ecs.refusing["service"] = AwsError("ECS did not answer DescribeServices: AccessDenied")
    assert (await web.get(f"/readiness/{HERE}")).status_code == 502


async def test_a_rollback_by_hand_shows_its_five_steps(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    snapshot = await recovery.snapshot()
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(BAD))
    recovery.ecs.batches = 2
    asked = await web.post(f"/rollback/{HERE}", json={"snapshot_id": snapshot, "actor": "ada", "reason": "it fails"})
    url = f"/operations/{asked.json()['operation_id']}"
    [chosen, safe, execute, *rest] = (await web.get(url)).json()["steps"]
    assert (chosen["state"], chosen["sentence"]) == ("done", f"{snapshot}, asked for by ada: it fails")
    assert (safe["state"], safe["sentence"]) == ("done", "You can go back to it.")
    assert (execute["state"], [step["state"] for step in rest]) == ("running", ["waiting", "waiting"])
    seen: list[list[str]] = []

    def look() -> None:
        record = orjson.loads(recovery.store.records[f"operation:{asked.json()['operation_id']}"])
        seen.append([step["state"] for step in record["steps"]])

    recovery.clock.while_asleep.append(look)
    await recovery.work()
    done = (await web.get(url)).json()
    assert [step["number"] for step in done["steps"]] == [1, 2, 3, 4, 5]
    assert {step["state"] for step in done["steps"]} == {"done"}
    assert done["steps"][-1]["sentence"] == done["sentence"]
    assert ["done", "done", "done", "running", "waiting"] in seen
    assert seen == sorted(seen, key=lambda states: states.count("done")), "no step is gone back to"


async def test_a_rollback_by_hand_that_fails_says_at_which_step(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    snapshot = await recovery.snapshot()
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(BAD))
    recovery.ecs.refusing["update"] = AwsError("ECS refused UpdateService: AccessDeniedException", temporary=False)
    asked = await web.post(f"/rollback/{HERE}", json={"snapshot_id": snapshot})
    await recovery.work()
    done = (await web.get(f"/operations/{asked.json()['operation_id']}")).json()
    assert [step["state"] for step in done["steps"]] == ["done", "done", "failed", "waiting", "waiting"]
    assert "AccessDeniedException" in done["steps"][2]["sentence"]


async def test_what_is_known_to_be_gone_is_refused_unless_it_is_asked_for_all_the_same(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    snapshot = await recovery.snapshot()
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(BAD))
    body = {"snapshot_id": snapshot, "actor": "ada"}
    recovery.needs.by_version[f"{ARN}:1"] = (Need("the role web", there=False),)
    refused = await web.post(f"/rollback/{HERE}", json=body)
    assert (refused.status_code, "the role web is not there any more" in refused.json()["detail"]) == (409, True)
    assert (recovery.protection.rollback, recovery.decided[-1].reason) == (None, "no-way-back")
    plan = (await web.post(f"/rollback/{HERE}", json=body | {"dry_run": True})).json()
    assert (plan["can_go_back"], "the role web" in plan["safety"], plan["held"]) == (False, True, None)
    # what is not known does not hold a rollback up
    recovery.needs.by_version[f"{ARN}:1"] = (Need("the role web", None, "AccessDenied"),)
    assert (await web.post(f"/rollback/{HERE}", json=body | {"dry_run": True})).json()["can_go_back"] is None
    recovery.needs.by_version[f"{ARN}:1"] = (Need("the role web", there=False),)
    forced = await web.post(f"/rollback/{HERE}", json=body | {"force": True})
    assert forced.status_code == 202
    await recovery.work()
    assert [finished.result for finished in recovery.published(RollbackFinished)] == ["restored"]


async def test_the_newest_proven_snapshot_need_not_be_named(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    latest = {"latest_proven": True}
    none = await web.post(f"/rollback/{HERE}", json=latest)
    assert (none.status_code, "has no proven snapshot" in none.json()["detail"]) == (409, True)
    good = await recovery.snapshot(purpose="after-change")
    same = await web.post(f"/rollback/{HERE}", json=latest)
    assert (same.status_code, "there is nothing to bring back" in same.json()["detail"]) == (409, True)
    recovery.clock.time += 60
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(OTHER))
    recovery.clock.time += 600
    newer = await recovery.snapshot("run-2", purpose="after-change")
    # the newer one is live, so that the one before it is meant
    plan = await web.post(f"/rollback/{HERE}", json=latest | {"dry_run": True})
    assert plan.json()["snapshot_id"] == good
    recovery.ecs.settings["enableExecuteCommand"] = True
    plan = await web.post(f"/rollback/{HERE}", json=latest | {"dry_run": True})
    assert plan.json()["snapshot_id"] == newer, "the service has drifted from it"
    recovery.ecs.settings["enableExecuteCommand"] = False
    key = {"Idempotency-Key": "tonight"}
    asked = await web.post(f"/rollback/{HERE}", json=latest, headers=key)
    assert (asked.status_code, asked.json()["snapshot_id"]) == (202, good)
    await recovery.work()
    again = await web.post(f"/rollback/{HERE}", json=latest, headers=key)
    assert again.json() == asked.json(), "though by now there is nothing to bring back"
    for wrong in ({}, {"snapshot_id": good, "latest_proven": True}):
        assert (await web.post(f"/rollback/{HERE}", json=wrong)).status_code == 422


async def test_neither_holds_nor_a_run_that_waits_for_its_approval_keep_a_rollback_by_hand_waiting(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    """Nobody has to approve it, and the run goes no further meanwhile, though somebody approves that."""
    waits = ServicePolicy(
        target=TARGET, holds=Holds(versions="all", actors="all"), approval_before_change=Approval(needed=2)
    )
    recovery.policies.reload(waits)
    await recovery.snapshot(purpose="after-change")
    recovery.clock.time += 60
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(OTHER))
    recovery.clock.time += 600
    taken = await recovery.snapshot("run-2")  # its checks have passed, and it waits
    asked = await web.post(f"/rollback/{HERE}", json={"latest_proven": True, "actor": "ann"})
    assert asked.status_code == 202, asked.text
    assert "surefoot release" in asked.json()["hold"]
    arm = Arm(target=TARGET, run_id="run-2", snapshot_id=taken, expires_at=recovery.now + timedelta(hours=1))
    approved = await recovery.send(arm, "run-2:arm")
    assert approved is not None
    assert (approved.verdict, "is under way" in approved.summary) == ("fail", True)
    await recovery.work()
    [finished] = recovery.published(RollbackFinished)
    assert (finished.result, finished.rollback.actor) == ("restored", "ann")
    later = await recovery.arm("run-3")
    assert later.verdict == "pass"


async def test_asked_during_a_run_it_says_which_command_ends_the_run(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    await recovery.deployed()
    held = recovery.protection.arm
    assert held is not None
    command = "surefoot abort CourtCaseCluster BackendService --run-id run-1"
    body = {"snapshot_id": held.snapshot_id}
    refused = await web.post(f"/rollback/{HERE}", json=body)
    assert (refused.status_code, command in refused.json()["detail"]) == (409, True)
    plan = await web.post(f"/rollback/{HERE}", json=body | {"dry_run": True})
    assert (plan.status_code, command in plan.json()["held"]) == (200, True)
