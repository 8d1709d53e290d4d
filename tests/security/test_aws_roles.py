"""The seven roles: each allows what its service calls, and nothing else."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import aws_calls
from benchmarks.denials.cells import Cell
from benchmarks.denials.operations import When
from contracts import cloudwatch_names as names
from contracts.topics import SERVICES, Party
from sandbox.aws.accounts import ACCOUNT, REGION, SECOND_ACCOUNT
from sandbox.aws.call_log import Call, changes
from sandbox.scenarios.load import shipped
from surefoot.aws_rights import RARELY, RECREATION, RIGHTS
from surefoot.iam import Asked as Wanted
from surefoot.iam import Role, facts, listed, own_roles, policies_of, role_elsewhere, template
from surefoot.output import CannotDo
from tests.security.aws_permissions import Asked, Made, allowed, asked_of, calls_of
from tests.security.calls_in_code import AS_IAM_HAS_IT

BUCKET = "court-case-disaster-recovery-backups"
ROLES = tuple(f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("court-case-execution", "court-case-backend"))
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/Admin"
PEOPLE = f"arn:aws:sns:{REGION}:{ACCOUNT}:people"
POLICY = f"""\
version: 1
accounts:
  "{SECOND_ACCOUNT}": {{role: "arn:aws:iam::{SECOND_ACCOUNT}:role/surefoot", external_id: 7f3a-surefoot}}
defaults:
  application: {{url: "https://court.example.org", headers: {{X-Probe: court-case/probe-token}}}}
  monitoring: {{database: court-case-db, alarms_topic: "{PEOPLE}"}}
services:
  - {{cluster: CourtCaseCluster, service: BackendService, account: "{ACCOUNT}", region: {REGION}}}
  - {{cluster: Payments, service: Api, account: "{SECOND_ACCOUNT}", region: {REGION}}}
"""
WANTED = Wanted(account=ACCOUNT, bucket=BUCKET, task_roles=ROLES)
HERE = f"{REGION}:{ACCOUNT}"
ECS = f"arn:aws:ecs:{HERE}"
ELSEWHERE = ECS.replace(REGION, "eu-west-1")
OBJECTS = f"arn:aws:s3:::{BUCKET}"
OF_REGION = {"aws:RequestedRegion": (REGION,)}
OF_TASKS = {"iam:PassedToService": ("ecs-tasks.amazonaws.com",)}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture(scope="module")
def roles(file: Path) -> dict[str, dict[str, Any]]:
    return policies_by_service(own_roles(policies_of(file), WANTED))


def policies_by_service(roles: Iterable[Role]) -> dict[str, dict[str, Any]]:
    return {role.name.removeprefix("surefoot-"): role.policy for role in roles}


def test_recovery_alone_changes_ecs_and_monitor_alone_alarms_and_dashboards() -> None:
    changing = {
        service: {action.partition(":")[0] for action in rights if changes(action.partition(":")[2])}
        for service, rights in RIGHTS.items()
    }
    assert {service: apis for service, apis in changing.items() if apis} == {
        Party.MONITOR: {"cloudwatch"},
        Party.RECOVERY: {"application-autoscaling", "ecs", "s3"},
    }


def test_making_a_service_again_is_allowed_only_where_it_was_asked_for(
    file: Path, roles: dict[str, dict[str, Any]]
) -> None:
    more = policies_by_service(own_roles(policies_of(file), replace(WANTED, recreate=True)))
    make = Asked("ecs:CreateService", f"{ECS}:service/CourtCaseCluster/BackendService")
    assert not allowed(roles["recovery"], make)
    assert allowed(more["recovery"], make)
    assert not allowed(more["recovery"], Asked(make.action, f"{ECS}:service/CourtCaseCluster/Another"))
    assert {service for service in SERVICES if more[service] != roles[service]} == {Party.RECOVERY}
    added = [each for each in more["recovery"]["Statement"] if each not in roles["recovery"]["Statement"]]
    actions = {action for statement in added for action in statement["Action"]}
    assert actions == {*RECREATION, "ecs:TagResource", "ec2:CreateTags"}
    assert not [action for action in actions if "Delete" in action or "Deregister" in action]


NEVER_PLAYED = {
    "recovery/tend-snapshots",
    "recovery/purge-snapshots",
    "recovery/raise-again",
    *(f"{service}/-" for service in SERVICES),
}
"""Jobs of which no rehearsal makes a call: none lasts a day, most services are asked nothing over HTTP, and in none
a tool sets back what a scaling has lent."""
FOR_EVERYBODY = {"sts:GetCallerIdentity", "s3:GetObject", "s3:PutObject"}
PLAYED = {name: shipped()[name] for name in ("healthy", "crash-loop", "wrong-architecture", "somebody-else")} | {
    # the service has an alarm of its own, which the policy names, and which fires
    "alarms": Cell("monitoring:DescribeAlarms", "none", When.ALWAYS, "users-only").scenario
}
"""Deployments that call together all that is not called rarely."""


def refused(roles: dict[str, dict[str, Any]], made: set[Made]) -> list[Asked]:
    return [asked for call in made for asked in asked_of(call) if not allowed(roles[call.service], asked)]


def not_on_the_page(made: set[Made]) -> set[str]:
    """Return the calls that docs/aws-calls.md does not name, as ``service/job api:Operation``."""
    page = aws_calls.calls_on(aws_calls.PAGE.read_text())
    return {
        f"{call.service}/{call.job} {call.name}"
        for call in made
        if call.name not in page.get(f"{call.service}/{call.job}", set())
    }


def test_a_rollback_needs_no_more_than_the_roles_allow(roles: dict[str, dict[str, Any]]) -> None:
    """It takes a second or two, since a whole deployment is played."""
    made = calls_of(PLAYED["crash-loop"])
    assert refused(roles, made) == []
    assert not_on_the_page(made) == set(), "python -m benchmarks.aws_calls"


def test_the_page_of_calls_is_what_the_log_of_a_rehearsal_has() -> None:
    page = aws_calls.PAGE.read_text()
    rows = aws_calls.calls_on(page)
    calls = [(job, operation) for job, operations in rows.items() for operation in operations]
    assert aws_calls.page(calls) == page, "it is written by python -m benchmarks.aws_calls"
    for job, operation in calls:
        service = Party(job.partition("/")[0])
        allowed_ = {*RIGHTS[service], *(RECREATION if service is Party.RECOVERY else ())}
        assert AS_IAM_HAS_IT.get(operation, operation) in {*allowed_, *FOR_EVERYBODY}, job
    assert {job for jobs in aws_calls.VERBS.values() for job in jobs} - rows.keys() <= NEVER_PLAYED


def test_a_call_of_the_log_is_told_by_its_user_agent() -> None:
    call = Call(0.0, "monitoring", "GetMetricData", "Boto3/1 surefoot/recovery/scale/scaling:1/3", "", False, "", 200)
    assert aws_calls.made_by(call) == ("recovery/scale", "cloudwatch:GetMetricData")
    assert aws_calls.made_by(replace(call, user_agent="aws-cli/2 surefoot/somebody/-/-/0")) is None
    assert aws_calls.made_by(replace(call, user_agent="aws-cli/2")) is None
    with pytest.raises(ValueError, match="no verb has the job recovery/new"):
        aws_calls.page([("recovery/new", "ecs:ListTasks")])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_deployments_need_no_more_and_together_they_need_nearly_all(roles: dict[str, dict[str, Any]]) -> None:
    called: dict[str, set[str]] = {service: set() for service in SERVICES}
    for name, scenario in PLAYED.items():
        made = calls_of(scenario)
        assert refused(roles, made) == [], name
        assert not_on_the_page(made) == set(), name
        for call in made:
            called[call.service].update(asked.action for asked in asked_of(call))
    assert {service: set(RIGHTS[service]) - called[service] for service in SERVICES} == {
        service: set(RARELY[service]) for service in SERVICES
    }


ATTACKS = {
    "monitor deploys": ("monitor", Asked("ecs:UpdateService", f"{ECS}:service/CourtCaseCluster/BackendService")),
    "another service is deployed": (
        "recovery", Asked("ecs:UpdateService", f"{ECS}:service/CourtCaseCluster/BackendService2"),
    ),
    "the same names in another region": (
        "recovery", Asked("ecs:UpdateService", f"{ELSEWHERE}:service/CourtCaseCluster/BackendService"),
    ),
    "an administrator's role is passed on": ("recovery", Asked("iam:PassRole", ADMIN, OF_TASKS)),
    "a task's role is passed on to a function": (
        "recovery", Asked("iam:PassRole", ROLES[0], {"iam:PassedToService": ("lambda.amazonaws.com",)}),
    ),
    "a task definition that is there is tagged anew": (
        "recovery", Asked("ecs:TagResource", f"arn:aws:ecs:{HERE}:task-definition/backend:1"),
    ),
    "another object of the bucket": (
        "recovery", Asked("s3:PutObject", f"{OBJECTS}/policy.yaml", {"s3:ResourceAccount": (ACCOUNT,)}),
    ),
    "a stranger's bucket of that name": (
        "recovery", Asked("s3:PutObject", f"{OBJECTS}/snapshots/x", {"s3:ResourceAccount": (SECOND_ACCOUNT,)}),
    ),
    "health reads snapshots": (
        "health", Asked("s3:GetObject", f"{OBJECTS}/snapshots/x", {"s3:ResourceAccount": (ACCOUNT,)}),
    ),
    "somebody else's alarm is deleted": (
        "monitor", Asked("cloudwatch:DeleteAlarms", f"arn:aws:cloudwatch:{HERE}:alarm:billing", OF_REGION),
    ),
    "an alarm that stops a machine": (
        "monitor",
        Asked(
            "cloudwatch:PutMetricAlarm",
            f"arn:aws:cloudwatch:{HERE}:alarm:surefoot-x/y-cpu",
            {"cloudwatch:AlarmActions": (PEOPLE, f"arn:aws:automate:{REGION}:ec2:stop")},
        ),
    ),
    "recovery silences alarms": (
        "recovery", Asked("cloudwatch:DeleteAlarms", f"arn:aws:cloudwatch:{HERE}:alarm:surefoot-x/y-cpu", OF_REGION),
    ),
    "the application's own secret": (
        "health", Asked("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{HERE}:secret:court-case/jwt-AbCdEf"),
    ),
    "a secret whose name begins alike": (
        "health",
        Asked("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{HERE}:secret:court-case/probe-token-2-AbCdEf"),
    ),
    "optimizer reads a secret": (
        "optimizer",
        Asked("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{HERE}:secret:court-case/probe-token-AbCdEf"),
    ),
    "a role that the policy does not name is assumed": (
        "recovery", Asked("sts:AssumeRole", f"arn:aws:iam::{SECOND_ACCOUNT}:role/Admin"),
    ),
    "images are listed in another region": (
        "validator", Asked("ec2:DescribeSubnets", "*", {"aws:RequestedRegion": ("eu-west-1",)}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_a_role_that_was_taken_allows_no_more(roles: dict[str, dict[str, Any]], name: str) -> None:
    service, asked = ATTACKS[name]
    assert not allowed(roles[service], asked)


def test_what_is_allowed_is_seen_as_allowed(roles: dict[str, dict[str, Any]]) -> None:
    """Else the attacks above would be refused by a mistake of this test."""
    policy = roles["recovery"]
    assert allowed(policy, Asked("iam:PassRole", ROLES[0], OF_TASKS))
    assert allowed(policy, Asked("s3:PutObject", f"{OBJECTS}/snapshots/x", {"s3:ResourceAccount": (ACCOUNT,)}))
    assert allowed(roles["validator"], Asked("ec2:DescribeSubnets", "*", OF_REGION))
    secret = f"arn:aws:secretsmanager:{HERE}:secret:court-case/probe-token-AbCdEf"
    assert allowed(roles["health"], Asked("secretsmanager:GetSecretValue", secret))
    lifecycle = Asked("ecr:GetLifecyclePolicy", f"arn:aws:ecr:{HERE}:repository/backend")
    assert allowed(policy, lifecycle)
    assert allowed(policy, Asked("servicequotas:GetServiceQuota", "*", OF_REGION))
    assert not allowed(roles["validator"], lifecycle)
    alarm = f"arn:aws:cloudwatch:{HERE}:alarm:surefoot-x/y-cpu"
    assert allowed(roles["monitor"], Asked("cloudwatch:PutMetricAlarm", alarm, {"cloudwatch:AlarmActions": (PEOPLE,)}))


def test_without_a_topic_an_alarm_may_do_nothing(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.replace(f', alarms_topic: "{PEOPLE}"', ""))
    monitor = own_roles(policies_of(path), WANTED)[1].policy
    alarm = f"arn:aws:cloudwatch:{HERE}:alarm:surefoot-x/y-cpu"
    assert allowed(monitor, Asked("cloudwatch:PutMetricAlarm", alarm))
    assert not allowed(monitor, Asked("cloudwatch:PutMetricAlarm", alarm, {"cloudwatch:AlarmActions": (PEOPLE,)}))


def test_a_policy_in_s3_is_read_by_all_with_its_signature(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUREFOOT_POLICY", "s3://policies/prod/surefoot.yaml")
    monkeypatch.setenv("SUREFOOT_POLICY_OWNER", SECOND_ACCOUNT)
    owner = {"s3:ResourceAccount": (SECOND_ACCOUNT,)}
    with pytest.raises(CannotDo, match="--file"):
        policies_of(None)
    for role in own_roles(policies_of(file), WANTED):
        for key in ("surefoot.yaml", "surefoot.yaml.sig"):
            asked = Asked("s3:GetObject", f"arn:aws:s3:::policies/prod/{key}", owner)
            assert allowed(role.policy, asked)
            assert not allowed(role.policy, Asked("s3:PutObject", asked.resource, owner))
            assert not allowed(role.policy, Asked("s3:GetObject", asked.resource, {"s3:ResourceAccount": (ACCOUNT,)}))


@pytest.mark.parametrize("key", ["1234abcd", "key/1234abcd", f"arn:aws:kms:{HERE}:key/1234abcd", "alias/snapshots"])
def test_recovery_alone_uses_the_key_of_the_snapshots_and_through_s3_alone(file: Path, key: str) -> None:
    made = own_roles(policies_of(file), Wanted(account=ACCOUNT, bucket=BUCKET, kms_key=key, task_roles=ROLES))
    arn = f"arn:aws:kms:{HERE}:key/1234abcd"
    aliases = {"kms:ResourceAliases": ("alias/snapshots",)}
    through = {"kms:ViaService": (f"s3.{REGION}.amazonaws.com",), **aliases}
    recovery = policies_by_service(made)["recovery"]
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        assert [role.name for role in made if allowed(role.policy, Asked(action, arn, through))] == [
            "surefoot-recovery"
        ]
        assert not allowed(recovery, Asked(action, arn, aliases))
        other = {**through, "kms:ResourceAliases": ("alias/other",)}
        assert not allowed(recovery, Asked(action, f"arn:aws:kms:{HERE}:key/other", other))


def test_each_service_writes_its_own_part_of_the_audit_and_does_nothing_else_with_it(file: Path) -> None:
    wanted = Wanted(
        account=ACCOUNT, bucket=BUCKET, audit_bucket="records", audit_owner=SECOND_ACCOUNT, task_roles=ROLES
    )
    made = {role.name.removeprefix("surefoot-"): role.policy for role in own_roles(policies_of(file), wanted)}
    owner = {"s3:ResourceAccount": (SECOND_ACCOUNT,)}
    for service in SERVICES:
        own = f"arn:aws:s3:::records/audit/{service}/2026/11/27/1-2-0.jsonl"
        may = {name for name, policy in made.items() if allowed(policy, Asked("s3:PutObject", own, owner))}
        assert may == {service}
        assert not allowed(made[service], Asked("s3:PutObject", own, {"s3:ResourceAccount": (ACCOUNT,)}))
        for action in ("s3:DeleteObject", "s3:GetObject", "s3:PutObjectRetention"):
            assert not allowed(made[service], Asked(action, own, owner))


def test_roles_that_the_policy_names_may_be_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.replace("defaults:", f"defaults:\n  change: {{roles: ['{ROLES[0]}']}}"))
    recovery = policies_by_service(own_roles(policies_of(path), Wanted(account=ACCOUNT, bucket=BUCKET)))["recovery"]
    assert allowed(recovery, Asked("iam:PassRole", ROLES[0], OF_TASKS))
    assert not allowed(recovery, Asked("iam:PassRole", ROLES[1], OF_TASKS))


def test_all_names_that_monitor_gives_begin_alike() -> None:
    for name in (names.alarm_prefix, names.dashboard_name, names.former_name):
        assert name("a", "b").startswith(names.OURS)
        assert name("a" * 255, "b" * 255).startswith(names.OURS)


def test_in_another_account_there_is_no_bucket_and_no_further_role_and_the_seven_are_trusted(file: Path) -> None:
    role = f"arn:aws:iam::{SECOND_ACCOUNT}:role/payments-task"
    wanted = Wanted(account=ACCOUNT, bucket=BUCKET, task_roles=(*ROLES, role))
    there = role_elsewhere(policies_of(file), wanted, SECOND_ACCOUNT)
    text = json.dumps(there.policy)
    assert "s3:" not in text
    assert "sts:" not in text
    assert ACCOUNT not in text.replace(PEOPLE, "")
    assert allowed(there.policy, Asked("iam:PassRole", role, OF_TASKS))
    [trust] = there.trust["Statement"]
    assert trust["Principal"] == {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/surefoot-{service}" for service in SERVICES]}
    assert trust["Condition"] == {"StringEquals": {"sts:ExternalId": "7f3a-surefoot"}}


def test_who_may_assume_the_seven(file: Path) -> None:
    def trust(trusted: str) -> dict[str, Any]:
        wanted = Wanted(account=ACCOUNT, bucket=BUCKET, task_roles=ROLES, trusted=trusted)
        [statement] = own_roles(policies_of(file), wanted)[0].trust["Statement"]
        return dict(statement)

    assert trust("ecs-tasks.amazonaws.com")["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert trust("ec2.amazonaws.com")["Principal"] == {"Service": "ec2.amazonaws.com"}
    assert "Condition" not in trust("ec2.amazonaws.com")
    assert trust(ADMIN)["Principal"] == {"AWS": [ADMIN]}


def test_the_template_makes_seven_roles_whose_statements_have_names_of_their_own(file: Path) -> None:
    made = template(own_roles(policies_of(file), WANTED))["Resources"]
    assert [role["Properties"]["RoleName"] for role in made.values()] == [f"surefoot-{name}" for name in SERVICES]
    for role in made.values():
        statements = role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        sids = [statement["Sid"] for statement in statements]
        assert len(set(sids)) == len(sids)
        assert all(sid.isalnum() for sid in sids)
        assert all(statement["Resource"] for statement in statements)


def test_a_role_without_rights_has_no_policy_since_iam_refuses_an_empty_one() -> None:
    idle = Role("surefoot-orchestrator", (), {"Statement": []}, {})
    assert facts((idle,)) == {"roles": {idle.name: {"trust": idle.trust}}}
    (made,) = template((idle,))["Resources"].values()
    assert made["Properties"]["Policies"] == []
    assert listed((idle,), "table") == "surefoot-orchestrator  needs no rights"


def test_many_services_need_whole_clusters(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    services = "".join(
        f'  - {{cluster: prod, service: api-{n}, account: "{ACCOUNT}", region: {REGION}}}\n' for n in range(120)
    )
    path.write_text(f"version: 1\nservices:\n{services}")
    with pytest.raises(CannotDo, match="--whole-clusters"):
        own_roles(policies_of(path), WANTED)
    wanted = Wanted(account=ACCOUNT, bucket=BUCKET, task_roles=ROLES, whole_clusters=True)
    recovery = policies_by_service(own_roles(policies_of(path), wanted))["recovery"]
    assert allowed(recovery, Asked("ecs:UpdateService", f"arn:aws:ecs:{HERE}:service/prod/api-119"))
    assert not allowed(recovery, Asked("ecs:UpdateService", f"arn:aws:ecs:{HERE}:service/prod-2/api-119"))


@pytest.mark.parametrize(
    ("wanted", "account", "sentence"),
    [
        (Wanted(account=ACCOUNT, task_roles=ROLES), None, "--bucket"),
        (Wanted(account=ACCOUNT, bucket=BUCKET), None, "--task-role"),
        (Wanted(account="999999999999", bucket=BUCKET, task_roles=ROLES), None, "no service in account 999999999999"),
        (WANTED, "999999999999", "no role for account 999999999999"),
        (WANTED, SECOND_ACCOUNT, f"tasks in account {SECOND_ACCOUNT}"),
    ],
)
def test_what_is_missing_is_told(file: Path, wanted: Wanted, account: str | None, sentence: str) -> None:
    policies = policies_of(file)
    with pytest.raises(CannotDo, match=sentence):
        _ = own_roles(policies, wanted) if account is None else role_elsewhere(policies, wanted, account)
