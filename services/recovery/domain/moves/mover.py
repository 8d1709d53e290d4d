"""Who made a call, by what CloudTrail tells of it: the principal, its user agent, and the service that called for it.

A user agent is what its sender says. It is the best there is, and no proof against somebody who lies.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.recovery.domain.moves.trail import TrailCall


class By(StrEnum):
    """The kinds of movers."""

    OURS = "ours"
    ECS = "ecs"
    """ECS itself: its circuit breaker, or the alarms that it watches."""
    AUTOSCALER = "autoscaler"
    PERSON = "person"
    ANOTHER_SUREFOOT = "another-surefoot"
    TOOL = "tool"
    """Another pipeline or tool, or a program."""
    UNKNOWN = "unknown"


class Sure(StrEnum):
    CERTAIN = "certain"
    """AWS or our own record says it."""
    LIKELY = "likely"
    """It follows from names or from times."""
    NOT_YET = "not-known-yet"
    """CloudTrail may tell it within a quarter of an hour, or could not be read now."""
    NOT_ALLOWED = "not-allowed"
    """This installation may not look at what would tell it."""
    NOT_KNOWN = "not-known"


@dataclass(frozen=True, slots=True)
class Mover:
    by: By
    who: str
    """Words for a person: ``Terraform``, ``arn:…`` in the console, ``the rollback …``."""
    sure: Sure = Sure.CERTAIN


OURS_IN_AGENT = re.compile(r"\bsurefoot/([a-z]+)/([a-z-]+)/([^/\s]{1,100})/[0-9]+")
"""How Surefoot calls (``services/_chassis/acting.py``): service, kind of job, id of the job, fence."""
_SERVICES: tuple[tuple[str, By, str], ...] = (
    ("application-autoscaling.amazonaws.com", By.AUTOSCALER, "Application Auto Scaling"),
    ("cloudformation.amazonaws.com", By.TOOL, "CloudFormation"),
    ("codedeploy.amazonaws.com", By.TOOL, "CodeDeploy"),
    ("codepipeline.amazonaws.com", By.TOOL, "CodePipeline"),
    ("ecs.amazonaws.com", By.ECS, "ECS"),
)
"""How services of AWS call for others, the longest names first."""
_TOOLS: tuple[tuple[str, str], ...] = (
    ("amazon-ecs-deploy-task-definition", "GitHub Actions"),
    ("terraform", "Terraform"),
    ("opentofu", "OpenTofu"),
    ("pulumi", "Pulumi"),
    ("aws-cdk", "the AWS CDK"),
    ("aws-copilot", "Copilot"),
    ("ecspresso", "ecspresso"),
    ("ansible", "Ansible"),
    ("spinnaker", "Spinnaker"),
    ("aws-codepipeline", "CodePipeline"),
)
"""Words of user agents → the tools that send them."""
_PIPELINES: tuple[tuple[str, str], ...] = (
    ("githubactions", "GitHub Actions"),
    ("github", "GitHub Actions"),
    ("gitlab", "GitLab CI"),
    ("jenkins", "Jenkins"),
    ("circleci", "CircleCI"),
    ("bitbucket", "Bitbucket Pipelines"),
    ("buildkite", "Buildkite"),
    ("azure-devops", "Azure Pipelines"),
    ("terraform", "Terraform"),
    ("argocd", "Argo CD"),
)
"""Words of roles and of their sessions → the pipelines that are named like this. They are names that people chose."""
_CONSOLE = ("mozilla/", "console.amazonaws.com", "aws internal", "signin.amazonaws.com")
_AUTOSCALING_ROLE = "awsserviceroleforapplicationautoscaling"
_SSO_ROLE = "awsreservedsso_"


def mover_of(call: TrailCall, our_jobs: Mapping[str, str]) -> Mover:
    """Return who made a call. ``our_jobs``: id of each job that this installation knows → what it was."""
    marks = (_service_of_aws, _tool, _in_console, _pipeline)
    marked = _surefoot(call, our_jobs) or next((found for mark in marks if (found := mark(call))), None)
    return marked or _of_principal(call)


def _surefoot(call: TrailCall, our_jobs: Mapping[str, str]) -> Mover | None:
    named = OURS_IN_AGENT.search(call.agent)
    if named is None:
        return None
    kind, job = named[2], named[3]
    if job in our_jobs:
        return Mover(By.OURS, our_jobs[job])
    return Mover(By.ANOTHER_SUREFOOT, f"another Surefoot ({kind} {job}) as {call.principal}", Sure.LIKELY)


def _tool(call: TrailCall) -> Mover | None:
    agent = call.agent.lower()
    return next((Mover(By.TOOL, f"{tool} as {call.principal}") for word, tool in _TOOLS if word in agent), None)


def _in_console(call: TrailCall) -> Mover | None:
    agent = call.agent.lower()
    there = call.in_console or any(word in agent for word in _CONSOLE)
    return Mover(By.PERSON, f"{call.principal} in the console") if there else None


def _pipeline(call: TrailCall) -> Mover | None:
    principal = "" if _is_person(call) else call.principal.lower()
    found = (tool for word, tool in _PIPELINES if word in principal)
    return next((Mover(By.TOOL, f"{tool} as {call.principal}", Sure.LIKELY) for tool in found), None)


def _of_principal(call: TrailCall) -> Mover:
    """Return who it is where nothing but the principal tells it."""
    with_cli = call.agent.lower().startswith("aws-cli/")
    if _is_person(call):
        how = "with the AWS CLI" if with_cli else "with a program"
        return Mover(By.PERSON, f"{call.principal} {how}", Sure.CERTAIN if with_cli else Sure.LIKELY)
    what = "the AWS CLI" if with_cli else "a program"
    return Mover(By.TOOL, f"{what} as {call.principal or 'somebody'}", Sure.LIKELY)


def _is_person(call: TrailCall) -> bool:
    return call.user or _SSO_ROLE in call.principal.lower()


def _service_of_aws(call: TrailCall) -> Mover | None:
    """Return the service of AWS that has called for somebody; None where none has."""
    if _AUTOSCALING_ROLE in call.principal.lower():
        return Mover(By.AUTOSCALER, "Application Auto Scaling")
    agent = call.agent.lower()
    caller = call.invoked_by.lower() or (agent if agent.endswith(".amazonaws.com") else "")
    if not caller or caller in _CONSOLE:
        return None
    for name, by, words in _SERVICES:
        if caller.endswith(name):
            cdk = name.startswith("cloudformation") and "/cdk-" in call.principal.lower()
            who = f"{words} (of the CDK)" if cdk else words
            return Mover(by, f"{who} as {call.principal}" if by is By.TOOL else who)
    return Mover(By.TOOL, f"{caller} as {call.principal}")
