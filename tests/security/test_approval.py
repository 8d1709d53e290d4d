"""Over Kafka, too, less than the policy demands is for those whom it names, and the actor is who was proven."""

from typing import Any

import pytest

from contracts.bounds import LONGEST_ACTOR, MOST_OVERRIDES
from contracts.deployment import (
    AbortRequested,
    Cause,
    DeploymentConfig,
    DeploymentFinished,
    DeploymentStarted,
    Outcome,
    Override,
)
from contracts.migration_asked import MigrationAsked
from contracts.policy import Recovery, Requests
from services.orchestrator.domain.approval import LONGEST_REASON, actor_of, weaker_than, why_not_approved
from tests.security.orchestrated import Orchestrator
from tests.services.orchestrator.harness import SERVICE_POLICY, TARGET, asked

OVERRIDE = Override(gate="health_score", reason="trust me")
WEAKER: dict[str, dict[str, Any]] = {
    "the override of health_score": {"overrides": (OVERRIDE,)},
    "minimum_health_score": {"config": DeploymentConfig(minimum_health_score=69)},
    "enable_auto_recovery": {"config": DeploymentConfig(enable_auto_recovery=False)},
    "baking_minutes": {"config": DeploymentConfig(baking_minutes=0.0001)},
    "a command of its own": {"migration": MigrationAsked(command=("printenv",))},
}
AS_STRICT = DeploymentConfig(
    minimum_health_score=99, enable_auto_recovery=True, baking_minutes=1440, deployment_timeout_minutes=5
)


def policy(**requests: Any) -> Any:
    return SERVICE_POLICY.model_copy(update={"requests": Requests(**requests)})


def test_the_policys_command_is_no_ones_own_and_to_leave_it_out_is_less_than_the_policy_demands() -> None:
    named = policy(approvers=("team-a",))
    migrates = named.model_copy(update={"recovery": Recovery(migration_command=("flask", "db", "upgrade"))})
    by_policy = asked(migration=MigrationAsked(command=("flask", "db", "upgrade")))
    without = asked(without_migration=True)
    assert "a command of its own" in why_not_approved(named, by_policy, "ci")
    assert why_not_approved(migrates, by_policy, "ci") == ""
    assert "no migration" in why_not_approved(migrates, without, "ci")
    assert why_not_approved(named, without, "ci") == "", "where the policy names none there is none to leave out"
    assert why_not_approved(migrates, without, "ci:team-a") == ""


@pytest.mark.parametrize("signed_by", ["", "ci", "ci:team-b", "monitor", "team-a"])
@pytest.mark.parametrize(("what", "asking"), WEAKER.items(), ids=WEAKER)
def test_less_than_the_policy_is_for_those_whom_it_names(signed_by: str, what: str, asking: dict[str, Any]) -> None:
    named = policy(approvers=("team-a",))
    assert what in why_not_approved(named, asked(**asking), signed_by)
    assert why_not_approved(named, asked(**asking), "ci:team-a") == ""
    assert why_not_approved(named, asked(), signed_by) == why_not_approved(named, asked(config=AS_STRICT), "ci") == ""


@pytest.mark.parametrize("asking", WEAKER.values(), ids=WEAKER)
def test_where_the_policy_names_nobody_every_key_may_and_beside_keys_none(asking: dict[str, Any]) -> None:
    assert why_not_approved(policy(), asked(**asking), "ci") == ""
    assert why_not_approved(policy(keys=("team-a",)), asked(**asking), "ci:team-a")
    assert why_not_approved(policy(approvers=()), asked(**asking), "ci:team-a")


def test_what_was_left_out_or_is_as_strict_is_not_weaker() -> None:
    without_recovery = SERVICE_POLICY.model_copy(
        update={"recovery": SERVICE_POLICY.recovery.model_copy(update={"enabled": False})}
    )
    assert weaker_than(SERVICE_POLICY, DeploymentConfig()) == weaker_than(SERVICE_POLICY, AS_STRICT) == ()
    assert weaker_than(without_recovery, DeploymentConfig(enable_auto_recovery=False)) == ()


async def test_such_a_run_ends_blocked_before_anything_is_done_and_the_next_one_begins() -> None:
    orchestrator = Orchestrator(policy(approvers=("team-a",)))
    await orchestrator.takes(asked(overrides=(OVERRIDE,)))
    (end,) = orchestrator.events(DeploymentFinished)
    assert (end.outcome, end.cause) == (Outcome.BLOCKED, Cause.USAGE)
    assert "ci may not ask for less than the policy demands (the override of health_score)" in end.reason
    assert orchestrator.started == []
    await orchestrator.takes(asked(), id_="2")
    assert len(orchestrator.started) == 1


@pytest.mark.parametrize("named", ["key:lead", "ci:lead", "pipeline:main", "ada"])
async def test_the_actor_is_whose_key_has_signed_and_its_own_word_follows(named: str) -> None:
    orchestrator = Orchestrator()
    await orchestrator.takes(asked(actor=named))
    (started,) = orchestrator.events(DeploymentStarted)
    assert started.actor == f"ci for {named}"
    await orchestrator.takes(AbortRequested(target=TARGET, run_id=started.run_id, actor=named), id_="2")
    (end,) = orchestrator.events(DeploymentFinished)
    assert f"ci for {named}" in end.reason


def test_who_has_proven_nothing_is_not_taken_for_somebody_who_has() -> None:
    assert [actor_of("", name) for name in ("ada", "key:lead", "ci:x", "pipeline:y")] == [
        "ada",
        "anybody for key:lead",
        "anybody for ci:x",
        "anybody for pipeline:y",
    ]
    assert actor_of("ci:team-a", "ci:team-a") == "ci:team-a"
    assert len(actor_of("ci:team-a", "x" * LONGEST_ACTOR)) == LONGEST_ACTOR


async def test_what_a_run_keeps_of_overrides_and_reasons_is_bounded() -> None:
    orchestrator = Orchestrator()
    many = tuple(Override(gate="health_score", reason="r" * 16_000) for _ in range(10))
    for number in range(12):
        await orchestrator.takes(asked(overrides=many, reason="x" * 16_000), id_=str(number))
    course = await orchestrator.course()
    assert course.active is not None
    assert len(course.active.request.overrides) == 1
    assert len(course.active.request.overrides[0].reason) == LONGEST_REASON
    assert len(course.to_bytes()) < 60_000


async def test_more_overrides_than_over_http_are_refused_and_leave_nothing_but_a_letter_and_an_end() -> None:
    orchestrator = Orchestrator()
    many = tuple(Override(gate=f"gate-{number}", reason="r") for number in range(MOST_OVERRIDES + 1))
    body = asked().model_dump_json().replace('"overrides":[]', f'"overrides":[{many[0].model_dump_json()}]')
    assert f'"{many[0].gate}"' in body
    entries = ",".join(override.model_dump_json() for override in many)
    await orchestrator.takes(asked(), value=body.replace(many[0].model_dump_json(), entries).encode())
    (end,) = orchestrator.events(DeploymentFinished)
    assert "more than 50 entries" in end.reason
