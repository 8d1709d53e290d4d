"""Tasks that end before their container begins: ``ResourceInitializationError``.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html
"""

from services.diagnostics.domain.playbook import DESCRIBE_SERVICE, DESCRIBE_TASK, Playbook
from services.diagnostics.domain.task_rule import TaskRule, matches

_IMPACT = "No new task starts: a deployment cannot complete, and stopped tasks are not replaced."

NETWORK = Playbook(
    "start_up_network",
    "infrastructure",
    "The tasks cannot reach the AWS services that they need to start.",
    _IMPACT,
    (
        "subnets without a NAT gateway, a public address or VPC endpoints",
        "a security group or network ACL that refuses HTTPS to the outside",
    ),
    (DESCRIBE_SERVICE, DESCRIBE_TASK, "aws ec2 describe-vpc-endpoints", "aws ec2 describe-security-groups"),
    ("use VPC endpoints for ECR, S3, CloudWatch Logs and Secrets Manager",),
)
SECRETS = Playbook(
    "secrets_unavailable",
    "security",
    "The secrets that the task definition names cannot be read.",
    _IMPACT,
    (
        "an execution role without secretsmanager:GetSecretValue, ssm:GetParameters or kms:Decrypt",
        "a secret that was renamed, deleted, or has no such key",
    ),
    (DESCRIBE_TASK, "aws secretsmanager describe-secret --secret-id <secret>"),
    ("test the execution role before a release", "change secrets by new versions, not by new names"),
)
LOGS = Playbook(
    "log_driver",
    "infrastructure",
    "The tasks cannot open their log.",
    _IMPACT,
    ("a log group that does not exist", "an execution role without logs:CreateLogStream and logs:PutLogEvents"),
    (DESCRIBE_TASK, "aws logs describe-log-groups --log-group-name-prefix /ecs/{service}"),
    ("create log groups together with the service",),
)
OTHER = Playbook(
    "start_up_failed",
    "infrastructure",
    "The tasks end before their container begins.",
    _IMPACT,
    ("what the evidence quotes",),
    (DESCRIBE_TASK, DESCRIBE_SERVICE),
    ("start the task definition once with run-task before the release",),
)

_START = "ResourceInitializationError"
RULES = (
    TaskRule(NETWORK, matches(_START, r"timeout|timed out|deadline exceeded|dial tcp|no such host|connection refused")),
    TaskRule(LOGS, matches(_START, r"logger|log stream|log group|cloudwatch")),
    TaskRule(SECRETS, matches(_START, r"secret|ssm|parameter|kms")),
    TaskRule(OTHER, matches(_START)),
    TaskRule(OTHER, lambda task: task.stop_code == "TaskFailedToStart"),
)
