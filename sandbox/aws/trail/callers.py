"""Who changes a service besides Surefoot, as CloudTrail shows each of them."""

from collections.abc import Callable, Mapping

from sandbox.aws.trail.events import Caller
from sandbox.scenarios.incident import By

AUTOSCALING = "ecs.application-autoscaling.amazonaws.com"
_ROLE = "arn:aws:sts::{}:assumed-role/"


def _assumed(session: str, agent: str, invoked_by: str = "", *, in_console: bool = False) -> Callable[[str], Caller]:
    return lambda account: Caller(_ROLE.format(account) + session, agent, invoked_by, in_console)


def _service(session: str, name: str) -> Callable[[str], Caller]:
    """Return a service of AWS that acts with a role that it was given."""
    return _assumed(session, name, name)


CALLERS: Mapping[By, Callable[[str], Caller]] = {
    "person": _assumed(
        "AWSReservedSSO_Operators_0123456789abcdef/anna@example.com",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
        in_console=True,
    ),
    "cli": lambda account: Caller(
        f"arn:aws:iam::{account}:user/anna", "aws-cli/2.31.0 md/awscrt#0.27.6 ua/2.1 md/command#ecs.update-service"
    ),
    "terraform": _assumed(
        "terraform/apply",
        "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) terraform-provider-aws/5.80.0 aws-sdk-go-v2",
    ),
    "cloudformation": _service("stack-updates/AWSCloudFormation", "cloudformation.amazonaws.com"),
    "cdk": _service("cdk-hnb659fds-cfn-exec-role/AWSCloudFormation", "cloudformation.amazonaws.com"),
    "github-actions": _assumed(
        "deploy-from-github/GitHubActions",
        "aws-sdk-js/3.930.0 ua/2.1 os/linux amazon-ecs-deploy-task-definition-for-github-actions",
    ),
    "codedeploy": _service("ecs-code-deploy/codedeploy", "codedeploy.amazonaws.com"),
    "another-surefoot": _assumed(
        "surefoot-elsewhere/recovery",
        "Boto3/1.42.0 md/Botocore#1.42.0 surefoot/recovery/rollback/5b1d2c44-0000-5000-8000-000000000000/3",
    ),
    "autoscaler": _assumed(
        "AWSServiceRoleForApplicationAutoScaling_ECSService/AutoScaling-UpdateDesiredCapacity",
        AUTOSCALING,
        AUTOSCALING,
    ),
}
"""Each by its account."""
