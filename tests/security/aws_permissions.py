"""Which call of AWS a policy of IAM allows: the part of IAM's rules that Surefoot's own policies use.

Each call is looked up as IAM sees it: action, resources, and the keys of conditions that AWS sets for it (Service
Authorization Reference).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.topics import SERVICES
from sandbox.aws.accounts import ACCOUNT
from sandbox.scenarios.model import Scenario
from services._chassis.acting import acting, calling
from surefoot.rehearsal.rehearse import rehearse
from surefoot.rehearsal.stage import Stage
from tests.security.calls_in_code import AS_IAM_HAS_IT, IAM_NAMES

Parameters = Mapping[str, Any]
UNSEEN = "*"
"""The resource of an action for which AWS has none."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One action on one resource."""

    action: str
    resource: str = UNSEEN
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """A call that a service made, with boto3's parameters."""

    service: str
    api: str
    operation: str
    region: str
    parameters: str
    """As JSON, so that calls can be compared."""
    job: str = "-"
    """The kind of the job that made it."""

    @property
    def name(self) -> str:
        """Return ``api:Operation``, the API as IAM names it."""
        return f"{IAM_NAMES.get(self.api, self.api)}:{self.operation}"


def allowed(policy: Mapping[str, Any], asked: Asked) -> bool:
    return any(
        asked.action in statement["Action"]
        and any(_matches(resource, asked.resource) for resource in statement["Resource"])
        and all(
            _holds(operator, wanted, asked.context.get(key))
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
        for statement in policy["Statement"]
    )


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text) is not None


def _holds(operator: str, wanted: str | list[str], found: tuple[str, ...] | None) -> bool:
    choices = [wanted] if isinstance(wanted, str) else wanted
    match operator:
        case "Null":
            return (found is None) == (choices == ["true"])
        case "ForAllValues:StringEquals":
            return set(found or ()) <= set(choices)
        case "StringEquals":
            return found is not None and found[0] in choices
        case "ForAnyValue:StringEquals":
            return bool(set(found or ()) & set(choices))
        case "ArnEquals" | "StringLike":
            return found is not None and any(_matches(choice, found[0]) for choice in choices)
    raise AssertionError(f"no policy of Surefoot's has had {operator} yet")


def asked_of(made: Made, account: str = ACCOUNT) -> Iterator[Asked]:
    """Yield what IAM is asked for a call."""
    action = made.name
    given = json.loads(made.parameters)
    context = dict(_context(given, made.region, account))
    names = {"here": f"{made.region}:{account}", "account": account, "region": made.region}
    for resource in _RESOURCES.get(action, _unseen)(given | names):
        yield Asked(AS_IAM_HAS_IT.get(action, action), resource, context)
    if action == "ecs:RegisterTaskDefinition":
        yield from _along(given, names["here"])


def _along(given: Parameters, here: str) -> Iterator[Asked]:
    """Yield what registering a task definition asks for besides."""
    if given.get("tags"):
        definition = f"arn:aws:ecs:{here}:task-definition/{given['family']}:7"
        yield Asked("ecs:TagResource", definition, {"ecs:CreateAction": ("RegisterTaskDefinition",)})
    for role in filter(None, (given.get("taskRoleArn"), given.get("executionRoleArn"))):
        yield Asked("iam:PassRole", role, {"iam:PassedToService": ("ecs-tasks.amazonaws.com",)})


def _context(given: Parameters, region: str, account: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "aws:RequestedRegion", (region,)
    if "cluster" in given:
        yield "ecs:cluster", (f"arn:aws:ecs:{region}:{account}:cluster/{given['cluster'].rpartition('/')[2]}",)
    if "ServiceNamespace" in given:
        yield "application-autoscaling:service-namespace", (given["ServiceNamespace"],)
    if "Bucket" in given:
        yield "s3:ResourceAccount", (given.get("ExpectedBucketOwner", ""),)
    if actions := (*given.get("AlarmActions", ()), *given.get("OKActions", ())):
        yield "cloudwatch:AlarmActions", actions


def _filled(*patterns: str) -> Callable[[Parameters], Sequence[str]]:
    return lambda given: [pattern.format_map(given) for pattern in patterns]


def _each(pattern: str, key: str) -> Callable[[Parameters], Sequence[str]]:
    return lambda given: [pattern.format_map({**given, "each": each}) for each in given[key]]


def _with_service(key: str) -> Callable[[Parameters], Sequence[str]]:
    """IAM checks the deployment or revision, and its service."""
    return lambda given: [
        part for arn in given[key] for part in (arn, re.sub(r":service-[a-z]+/(.+)/[^/]+$", r":service/\1", arn))
    ]


def _unseen(_: Parameters) -> Sequence[str]:
    return [UNSEEN]


def _secret(given: Parameters) -> Sequence[str]:
    name = given["SecretId"]
    return [name if ":" in name else f"arn:aws:secretsmanager:{given['here']}:secret:{name}-AbCdEf"]


_SERVICE = _filled("arn:aws:ecs:{here}:service/{cluster}/{service}")
_DASHBOARD = _filled("arn:aws:cloudwatch::{account}:dashboard/{DashboardName}")
_REPOSITORY = _filled("arn:aws:ecr:{region}:{registryId}:repository/{repositoryName}")
_BUCKET = _filled("arn:aws:s3:::{Bucket}")
_OBJECT = _filled("arn:aws:s3:::{Bucket}/{Key}")
_RESOURCES: Mapping[str, Callable[[Parameters], Sequence[str]]] = {
    "ecs:DescribeServices": _each("arn:aws:ecs:{here}:service/{cluster}/{each}", "services"),
    "ecs:UpdateService": _SERVICE,
    "ecs:ListServiceDeployments": _SERVICE,
    "ecs:DescribeServiceDeployments": _with_service("serviceDeploymentArns"),
    "ecs:DescribeServiceRevisions": _with_service("serviceRevisionArns"),
    "ecs:DescribeTasks": _each("{each}", "tasks"),
    "ecs:RunTask": _filled("{taskDefinition}"),
    "ecs:StopTask": _filled("{task}"),
    "logs:GetLogEvents": _filled("arn:aws:logs:{here}:log-group:{logGroupName}:log-stream:{logStreamName}"),
    "ecs:RegisterTaskDefinition": _filled("arn:aws:ecs:{here}:task-definition/{family}:7"),
    "cloudwatch:PutMetricAlarm": _filled("arn:aws:cloudwatch:{here}:alarm:{AlarmName}"),
    "cloudwatch:DeleteAlarms": _each("arn:aws:cloudwatch:{here}:alarm:{each}", "AlarmNames"),
    "cloudwatch:PutDashboard": _DASHBOARD,
    "cloudwatch:GetDashboard": _DASHBOARD,
    "rds:DescribeDBInstances": _filled("arn:aws:rds:{here}:db:{DBInstanceIdentifier}"),
    "secretsmanager:DescribeSecret": _secret,
    "secretsmanager:GetSecretValue": _secret,
    "ecr:BatchGetImage": _REPOSITORY,
    "ecr:DescribeImages": _REPOSITORY,
    "ecr:GetLifecyclePolicy": _REPOSITORY,
    "ecr:GetDownloadUrlForLayer": _REPOSITORY,
    "iam:GetRole": _filled("arn:aws:iam::{account}:role/{RoleName}"),
    "s3:GetObject": _OBJECT,
    "s3:PutObject": _OBJECT,
    "s3:DeleteObject": _OBJECT,
    "s3:GetBucketVersioning": _BUCKET,
    "s3:GetPublicAccessBlock": _BUCKET,
    "s3:ListObjectsV2": _BUCKET,
}
"""Action → the resources of a call, by its parameters; for all others IAM has none."""


def calls_of(scenario: Scenario) -> set[Made]:
    """Play a deployment, and return the calls that Surefoot makes, each once."""
    made: set[Made] = set()

    def record(params: Parameters, model: Any, context: Mapping[str, Any], **_: object) -> None:
        if calling.get() in SERVICES:  # and not the chassis, which asks STS who it is
            text = json.dumps({**params, "Body": None}, sort_keys=True, default=str)
            api, job = model.service_model.service_name, acting.get().name.partition("/")[0]
            made.add(Made(calling.get(), api, model.name, context["client_region"], text, job))

    def listen(client: Any) -> None:
        client.meta.events.register("before-parameter-build", record)

    async def begin(stage: Stage) -> None:
        connection = stage.connection
        prepare = connection._prepare

        def prepared(client: Any) -> None:
            prepare(client)
            listen(client)

        connection._prepare = prepared  # type: ignore[method-assign]
        for account in connection._accounts.values():
            for client in account.clients.values():
                listen(client)

    rehearse(scenario, seed=1, prepare=begin)
    return made
