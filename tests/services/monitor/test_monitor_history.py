"""Which deployments before the newest one tell what is usual: failed attempts do not, and excuse nobody."""

from typing import Any

import pytest

from contracts.gates import Verdict
from services._aws.errors import AwsError
from services.monitor.adapters.ecs import AwsEcs
from services.monitor.domain.attribute import attribution
from services.monitor.domain.before import before
from services.monitor.domain.history import LONG, MOST_EARLIER, Earlier
from services.monitor.domain.judge import judge
from services.monitor.domain.metrics import MINUTE, Readings, StoppedTask
from services.monitor.domain.pending import PendingEvaluation
from services.monitor.domain.rollout import Rollout
from services.monitor.domain.rule_gates import OLD_TASKS
from services.monitor.domain.rules import evaluate
from services.monitor.domain.tasks import stay_up
from services.monitor.domain.watch import Watch
from tests.kit import ScriptedAws
from tests.services.monitor.harness import ALONE, BALANCED, BY_NAME, GOOD_MINUTE, RULES, START, TARGET, minutes

ERRORS, DOWN = BY_NAME["error_rate"], BY_NAME["service_unavailable"]
GOOD, BAD = GOOD_MINUTE, {**GOOD_MINUTE, "target_5xx": 60.0}
V1, V2 = "arn/app:1", "arn/app:2"


def deployment(id_: str, minute: float, version: str, **more: object) -> Rollout:
    """Return what ECS shows of a deployment that began at this minute, as one task of it runs and no older one."""
    began_at = START + minute * MINUTE
    return Rollout.model_validate({"id": id_, "began_at": began_at, "task_definition": version, "running": 1, **more})


def looked(*seen: Rollout) -> Rollout:
    """Return what is known after a look at each, a minute after it began."""
    known: Rollout | None = None
    for found in seen:
        known = found.following(known, found.began_at + MINUTE)
    assert known is not None
    return known


LIVE = deployment("v1", -3 * LONG / MINUTE, V1)
RETRY = looked(LIVE, deployment("v2", -14, V2), deployment("back", -2, V1), deployment("again", 0, V2))


def test_each_deployment_is_remembered_with_its_end() -> None:
    assert [(known.id, known.ended_at - known.began_at) for known in RETRY.earlier] == [
        ("v1", 3 * LONG - 14 * MINUTE),
        ("v2", 12 * MINUTE),
        ("back", 2 * MINUTE),
    ]
    assert RETRY.ids_before == {"v1", "back"}, "what was rolled back is no version before"
    assert RETRY.attempts == ((START - 14 * MINUTE, START - 1 * MINUTE),), "until the last of its tasks had stopped"


def test_what_ecs_lists_beside_the_newest_one_is_known_although_nobody_has_looked_before() -> None:
    listed = Earlier(id="v1", task_definition=V1, began_at=START - LONG, ended_at=START)
    known = looked(deployment("v2", 0, V2, earlier=(listed,), older=1))
    assert known.earlier == (listed,)
    assert known.earlier[0].usual
    assert known.alone_since is None


def test_what_looks_have_seen_wins_over_what_ecs_lists() -> None:
    proven = looked(deployment("v1", -9, V1)).model_copy(update={"proven": True})
    listed = Earlier(id="v1", task_definition=V1, began_at=START - 9 * MINUTE, ended_at=START)
    known = deployment("v2", 0, V2, earlier=(listed,)).following(proven, START + MINUTE)
    assert [(earlier.id, earlier.proven, earlier.alone_since) for earlier in known.earlier] == [
        ("v1", True, START - 8 * MINUTE)
    ]


def test_many_attempts_are_forgotten_from_the_oldest_on() -> None:
    many = looked(*(deployment(f"v{number}", number, f"arn/app:{number}") for number in range(MOST_EARLIER + 5)))
    assert [known.id for known in many.earlier] == [f"v{number}" for number in range(4, MOST_EARLIER + 4)]


def test_a_deployment_of_the_same_version_continues_it_until_it_was_proven_or_long_live() -> None:
    forced = looked(LIVE, deployment("v2", 0, V2), deployment("forced", 8, V2))
    assert (forced.id, forced.ids, forced.began_at) == ("forced", frozenset({"v2", "forced"}), START)
    assert forced.serving_since == START, "the times are those of its first deployment"
    assert [known.id for known in forced.earlier] == ["v1"]
    twice = deployment("twice", 9, V2).following(forced, START + 10 * MINUTE)
    assert (twice.ids, twice.began_at) == (frozenset({"v2", "forced", "twice"}), START)
    later = deployment("later", LONG / MINUTE, V2).following(forced, START + LONG + MINUTE)
    assert (later.ids, [known.id for known in later.earlier]) == (frozenset({"later"}), ["v1", "forced"])
    proven = forced.model_copy(update={"proven": True})
    assert deployment("later", 9, V2).following(proven, START + 10 * MINUTE).ids == {"later"}


def test_its_tasks_count_whichever_of_its_deployments_began_them() -> None:
    forced = looked(LIVE, deployment("v2", 0, V2), deployment("forced", 3, V2))
    service = ALONE.model_copy(update={"rollout": forced})

    def ended(of: str) -> StoppedTask:
        return StoppedTask(of, START + 5 * MINUTE, "exit code 1", by_itself=True)

    for id_, verdict in (("v2", Verdict.FAIL), ("forced", Verdict.FAIL), ("v1", Verdict.INCONCLUSIVE)):
        gate = stay_up(service, (ended(id_),), START, START + 15 * MINUTE, START + 6 * MINUTE)
        assert gate.verdict is verdict, id_


def test_a_forced_deployment_in_the_midst_of_baking_leaves_the_evidence_and_the_version_as_they_are() -> None:
    forced = looked(LIVE, deployment("v2", 0, V2), deployment("forced", 3, V2))
    waits = PendingEvaluation(command_id="c", run_id="r", since=START, deadline=START + 900, task_definition=V2)
    gates = judge(waits, RULES, seen(forced, [GOOD] * 15, [GOOD] * 5), START + 5 * MINUTE, database_published=True)
    assert gates is not None
    assert {gate.verdict for gate in gates} == {Verdict.PASS}
    failing = seen(forced, [GOOD] * 15, [GOOD, GOOD, GOOD, BAD, BAD])
    assert whose(failing, 5) == "new-version", "the minutes of its first deployment excuse nothing"


def seen(rollout: Rollout, old: list[dict[str, float]], new: list[dict[str, float]]) -> Readings:
    series = minutes(*old, *new, start=START - len(old) * MINUTE)
    return Readings(BALANCED.model_copy(update={"rollout": rollout}), series, stopped=())


def whose(found: Readings, minute: int) -> str | None:
    state = evaluate(ERRORS, found, START + minute * MINUTE)
    assert state.verdict == "broken"
    return attribution(ERRORS, state, found)


RETRIED = [*[GOOD] * 30, *[BAD] * 12, GOOD, GOOD]


@pytest.mark.parametrize("proven", [False, True])
def test_a_retry_is_excused_by_no_failed_attempt_but_by_a_version_that_was_proven(proven: bool) -> None:
    attempt = deployment("v2", -14, V2, proven=proven)
    retry = looked(LIVE, attempt, deployment("back", -2, V1), deployment("again", 0, V2))
    found = seen(retry, RETRIED, [BAD] * 3)
    known = before(ERRORS, found, START)
    assert known is not None
    assert known.broken is proven
    assert whose(found, 3) == ("version-before" if proven else "new-version")


def test_without_a_history_every_minute_before_counts() -> None:
    retry = RETRY.model_copy(update={"earlier": ()})
    assert whose(seen(retry, RETRIED, [BAD] * 3), 3) == "version-before"


def test_a_fix_answers_for_no_errors_while_old_tasks_of_an_incident_serve() -> None:
    """The incident began two minutes before the fix: what was usual is good, and who fails cannot be told."""
    old = [*[GOOD] * 28, BAD, BAD]
    both = looked(LIVE, deployment("fix", 0, V2, older=1))
    assert whose(seen(both, old, [BAD] * 3), 3) == "neither"
    alone = deployment("fix", 0, V2).following(both, START + 2 * MINUTE)
    assert whose(seen(alone, old, [BAD] * 3), 3) == "neither", "a part of the window was shared"
    assert whose(seen(alone, old, [BAD] * 4), 4) == "new-version", "now it answers for itself"


def test_what_breaks_with_the_change_is_the_new_version_s_while_both_serve() -> None:
    both = looked(LIVE, deployment("v2", 0, V2, older=1))
    assert whose(seen(both, [GOOD] * 30, [BAD] * 3), 3) == "new-version"
    gone = seen(both, [*[GOOD] * 28, *[{**GOOD, "healthy": 0.0}] * 2], [{**GOOD, "healthy": 0.0}] * 3)
    state = evaluate(DOWN, gone, START + 3 * MINUTE)
    assert attribution(DOWN, state, gone) == "new-version", "missing tasks are no version's errors"


def test_a_fix_of_an_incident_is_not_failed_by_a_window_that_old_tasks_share() -> None:
    old = [*[GOOD] * 28, BAD, BAD]
    both = looked(LIVE, deployment("fix", 0, V2, older=1))
    waits = PendingEvaluation(command_id="c", run_id="r", since=START, deadline=START + 15 * MINUTE)

    def gate(rollout: Rollout, new: list[dict[str, float]]) -> tuple[Verdict, str] | None:
        now = START + len(new) * MINUTE
        gates = judge(waits, [ERRORS], seen(rollout, old, new), now, database_published=True)
        return None if gates is None else (gates[0].verdict, gates[0].detail)

    assert gate(both, [BAD] * 3) is None
    over = gate(both, [BAD] * 15)
    assert over == (Verdict.INCONCLUSIVE, OLD_TASKS)
    alone = deployment("fix", 0, V2).following(both, START + 3 * MINUTE)
    assert gate(alone, [BAD] * 3 + [GOOD] * 2) == (Verdict.PASS, "2 min after the change")
    failed = gate(alone, [BAD] * 5)
    assert failed is not None
    assert failed[0] is Verdict.FAIL


def test_a_run_that_succeeds_proves_what_is_live() -> None:
    watch = Watch(target=TARGET)
    assert watch.with_proven() == watch, "nobody has looked"
    looked_at = watch.replace(dimensions=BALANCED.model_copy(update={"rollout": looked(LIVE)}))
    proven = looked_at.with_proven().dimensions
    assert proven is not None
    assert proven.rollout is not None
    assert proven.rollout.proven
    unseen = watch.replace(dimensions=BALANCED)
    assert unseen.with_proven() == unseen, "ECS lists no deployment"


def described(**more: Any) -> ScriptedAws:
    """Return an AWS whose service was created a day before, and lists a deployment beside the newest one."""
    service = {
        "serviceName": "api",
        "status": "ACTIVE",
        "createdAt": START - 86_400,
        "desiredCount": 2,
        "runningCount": 3,
        "deployments": [
            {"id": "v3", "status": "PRIMARY", "taskDefinition": "arn/app:3", "createdAt": START},
            {"id": "v2", "status": "ACTIVE", "taskDefinition": V2, "createdAt": START - 600, "runningCount": 1},
        ],
    }
    past = [{"serviceDeploymentArn": f"past/{ago}", "createdAt": START - ago} for ago in (1, 601, 86_399)]
    answers = {"describe_services": {"services": [service]}, "list_service_deployments": {"serviceDeployments": past}}
    return ScriptedAws(**{**answers, **more})


async def test_ecs_tells_what_it_has_deployed_and_is_asked_once_for_each_deployment() -> None:
    aws = described()
    services = AwsEcs(aws)
    found = (await services.watched(TARGET, None)).following(None, START + 60)
    assert found.rollout is not None
    assert [(known.id, known.usual) for known in found.rollout.earlier] == [("past/86399", True), ("v2", False)]
    assert found.rollout.earlier[0].proven, "the service began with it"
    again = (await services.watched(TARGET, found)).following(found, START + 75)
    assert again.rollout is not None
    assert again.rollout.earlier == found.rollout.earlier
    assert [name for name, _ in aws.calls].count("list_service_deployments") == 1


async def test_where_ecs_does_not_tell_its_past_what_it_lists_beside_the_newest_one_is_known() -> None:
    services = AwsEcs(described(list_service_deployments=AwsError("denied", code="AccessDenied", temporary=False)))
    found = (await services.watched(TARGET, None)).following(None, START + 60)
    assert found.rollout is not None
    assert [known.id for known in found.rollout.earlier] == ["v2"]
