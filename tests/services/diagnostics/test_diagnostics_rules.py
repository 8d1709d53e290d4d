"""Evidence → issues: each rule by AWS's own words."""

from typing import Any

import pytest

from contracts.base import caused_id
from contracts.diagnostics import Issue
from services.diagnostics.domain.diagnose import diagnose
from services.diagnostics.domain.evidence import Evidence
from tests.services.diagnostics.harness import (
    NOW,
    SHORT,
    TARGET,
    deployment,
    event,
    evidence,
    service,
    stopped,
    target,
    unstarted,
)


def issues(**more: Any) -> dict[str, Issue]:
    return {issue.kind: issue for issue in diagnose(TARGET, evidence(**more), NOW)}


def test_a_service_that_is_well_has_no_issue() -> None:
    assert issues() == {}


PULL = "CannotPullContainerError: pull image manifest has been retried 5 time(s): "
START = "ResourceInitializationError: "


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        (stopped(exit_code=1), "crash_loop"),
        (stopped(exit_code=0), "crash_loop"),
        (stopped(exit_code=255), "crash_loop"),
        (stopped(exit_code=255, container_reason="exec /app: exec format error"), "image_architecture"),
        (stopped(exit_code=139), "segmentation_fault"),
        (stopped(exit_code=137), "out_of_memory"),
        (stopped(exit_code=1, container_reason="OutOfMemoryError: Container killed due to memory"), "out_of_memory"),
        (
            stopped(
                exit_code=137,
                stop_code="ServiceSchedulerInitiated",
                reason="Task failed ELB health checks in (target-group x)",
            ),
            "tasks_fail_health_checks",
        ),
        (stopped(stop_code="SpotInterruption", reason="Your Spot Task was interrupted."), "spot_interrupted"),
        (
            unstarted(f"{PULL}image Manifest does not contain descriptor matching platform 'linux/amd64'"),
            "image_architecture",
        ),
        (unstarted(f"{PULL}no matching manifest for linux/amd64 in the manifest list entries"), "image_architecture"),
        (unstarted(f"{PULL}failed to resolve ref repo/app:9: repo/app:9: not found"), "image_not_found"),
        (unstarted("CannotPullContainerError: manifest unknown: Requested image not found"), "image_not_found"),
        (
            unstarted(f"{PULL}denied: User: arn:aws:sts::1:x is not authorized to perform: ecr:BatchGetImage"),
            "image_access_denied",
        ),
        (unstarted(f"{PULL}unexpected status from HEAD request: 403 Forbidden"), "image_access_denied"),
        (unstarted(f"{PULL}dial tcp 52.1.2.3:443: i/o timeout"), "image_registry_unreachable"),
        (
            unstarted("CannotPullContainerError: toomanyrequests: You have reached your pull rate limit"),
            "image_registry_unreachable",
        ),
        (unstarted("CannotPullImageManifestError: something new"), "image_pull_failed"),
        (
            unstarted(
                f"{START}unable to pull secrets or registry auth: execution resource retrieval failed: "
                "AccessDeniedException: not authorized to perform: secretsmanager:GetSecretValue"
            ),
            "secrets_unavailable",
        ),
        (
            unstarted(
                f"{START}unable to pull secrets or registry auth: RequestError: dial tcp 10.0.0.1:443: i/o timeout"
            ),
            "start_up_network",
        ),
        (
            unstarted(f"{START}failed to validate logger args: The specified log group does not exist."),
            "log_driver",
        ),
        (unstarted(f"{START}failed to invoke EFS utils commands"), "start_up_failed"),
        (unstarted("Timeout waiting for network interface provisioning to complete."), "start_up_failed"),
    ],
)
def test_a_stopped_task_is_understood_by_what_aws_says_of_it(task: Any, kind: str) -> None:
    found = issues(stopped=(task,))
    assert list(found) == [kind]
    assert found[kind].evidence[0] == "1 task of the last hour"
    assert task.reason.split(" ")[0] in found[kind].evidence[1]


@pytest.mark.parametrize(
    "task",
    [
        stopped(stop_code="ServiceSchedulerInitiated", reason="Scaling activity initiated by deployment ecs-svc/2"),
        stopped(stop_code="ServiceSchedulerInitiated", exit_code=137, reason="Scaling activity initiated by"),
        stopped(stop_code="UserInitiated", reason="Task stopped by user"),
    ],
)
def test_a_task_that_was_asked_to_go_is_no_issue(task: Any) -> None:
    assert issues(stopped=(task,)) == {}


@pytest.mark.parametrize(
    ("state", "reason", "kind"),
    [
        ("unhealthy", "Target.ResponseCodeMismatch", "target_response_code"),
        ("unhealthy", "Target.Timeout", "target_timeout"),
        ("unhealthy", "Target.FailedHealthChecks", "target_failed_checks"),
        ("unused", "Target.NotInUse", "target_not_in_use"),
        ("unhealthy", "Elb.InternalError", "load_balancer_internal_error"),
    ],
)
def test_targets_are_understood_by_their_reason(state: str, reason: str, kind: str) -> None:
    sick = target(state, reason, "Health checks failed with these codes: [503]")
    some = issues(targets=(target(), sick))
    assert {name: issue.severity for name, issue in some.items()} == {kind: "warning"}
    assert some[kind].evidence == (f"10.0.0.7 is {state}: {reason} Health checks failed with these codes: [503]",)
    none = issues(targets=(sick, sick))
    assert {name: issue.severity for name, issue in none.items()} == {kind: "critical", "no_healthy_target": "critical"}


@pytest.mark.parametrize(
    "coming",
    [target("initial", "Elb.RegistrationInProgress"), target("draining", "Target.DeregistrationInProgress")],
)
def test_targets_on_their_way_are_no_issue(coming: Any) -> None:
    assert issues(targets=(target(), coming)) == {}


def test_a_load_balancer_without_targets_has_none_that_is_healthy() -> None:
    found = issues(targets=())
    assert found["no_healthy_target"].severity == "critical"
    assert found["no_healthy_target"].evidence == ("no target is registered",)


def test_a_service_that_is_to_run_nothing_lacks_nothing() -> None:
    assert issues(service=service(desired=0, running=0), targets=()) == {}


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (
            "(service Backend) was unable to place a task because no container instance met all of its requirements.",
            "placement_failed",
        ),
        (
            "(service Backend) was unable to place a task. Reason: You've reached the limit on the number of vCPUs.",
            "fargate_quota",
        ),
        (
            "(service Backend) was unable to place a task. Reason: Capacity is unavailable at this time.",
            "no_capacity",
        ),
        (
            "(service Backend) was unable to place a task. Reason: subnet-1 does not have enough free addresses.",
            "subnet_addresses",
        ),
    ],
)
def test_events_tell_why_tasks_have_no_place(message: str, kind: str) -> None:
    missing = issues(service=service(running=1, events=(event(message),)))
    assert missing[kind].severity == "critical"
    assert missing[kind].evidence == (message,)
    assert issues(service=service(events=(event(message),)))[kind].severity == "info"
    assert kind not in issues(service=service(running=1, events=(event(message, ago=3000),)))


def test_a_deployment_that_failed_is_critical_while_it_is_the_live_one() -> None:
    failed = deployment(rollout_state="FAILED", reason="ECS deployment circuit breaker: tasks failed to start.")
    found = issues(service=service(failed))
    assert found["deployment_failing"].severity == "critical"
    assert failed.reason in found["deployment_failing"].evidence


@pytest.mark.parametrize(("failed_tasks", "severity"), [(0, None), (1, "warning"), (3, "critical")])
def test_a_deployment_under_way_is_judged_by_its_failed_tasks(failed_tasks: int, severity: str | None) -> None:
    rolling = deployment(rollout_state="IN_PROGRESS", failed_tasks=failed_tasks)
    found = issues(service=service(rolling)).get("deployment_failing")
    assert (found and found.severity) == severity


def test_a_deployment_that_is_being_rolled_back_is_told_and_blocks_nothing() -> None:
    failed = deployment("ecs-svc/9", status="ACTIVE", rollout_state="FAILED", reason="tasks failed to start.")
    found = issues(service=service(deployment(rollout_state="IN_PROGRESS"), failed))
    assert {kind: issue.severity for kind, issue in found.items()} == {"deployment_rolled_back": "warning"}


def test_a_service_that_is_not_there() -> None:
    (issue,) = diagnose(TARGET, Evidence(None), NOW)
    assert (issue.kind, issue.severity) == ("service_missing", "critical")
    told = "the service Backend is DRAINING: it is being deleted, and takes no deployment"
    (issue,) = diagnose(TARGET, evidence(service=service(being_deleted=told, desired=0)), NOW)
    assert (issue.kind, issue.severity, issue.evidence) == ("service_missing", "critical", (told,))


def test_an_issue_has_its_five_parts_with_commands_that_can_be_run() -> None:
    issue = issues(service=SHORT, stopped=(stopped(7), stopped(8)))["crash_loop"]
    assert "aws ecs describe-tasks --cluster CourtCase --tasks 7" in issue.steps
    assert "POST /api/v1/disaster-recovery/rollback/CourtCase/Backend" in issue.steps
    assert all((issue.description, issue.impact, issue.causes, issue.prevention, issue.evidence))
    assert not [part for part in issue.steps if "{" in part]


def test_the_same_trouble_keeps_its_id() -> None:
    first, second = (issues(stopped=(stopped(number),))["crash_loop"] for number in (1, 2))
    assert first.issue_id == second.issue_id == caused_id(str(TARGET), "crash_loop")
    other = TARGET.model_copy(update={"service": "Other"})
    assert diagnose(other, evidence(stopped=(stopped(),)), NOW)[0].issue_id != first.issue_id


def test_the_worst_comes_first() -> None:
    found = diagnose(TARGET, evidence(service=SHORT, stopped=(stopped(1, of="ecs-svc/0"),)), NOW)
    assert [issue.severity for issue in found] == ["critical", "info"]
