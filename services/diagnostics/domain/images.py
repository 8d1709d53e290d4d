"""Images that cannot be pulled: ``CannotPullContainerError``.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html
"""

from services.diagnostics.domain.playbook import DESCRIBE_SERVICE, DESCRIBE_TASK, Playbook
from services.diagnostics.domain.task_rule import TaskRule, matches

_IMPACT = "No new task starts: a deployment cannot complete, and stopped tasks are not replaced."

ARCHITECTURE = Playbook(
    "image_architecture",
    "application",
    "The image is built for another processor than the tasks run on.",
    _IMPACT,
    (
        "a build on an ARM64 machine (Apple Silicon) without --platform linux/amd64",
        "a runtimePlatform of the task definition that does not fit the image",
    ),
    (
        DESCRIBE_TASK,
        "docker buildx imagetools inspect <image>",
        "docker build --platform linux/amd64 -t <image> . && docker push <image>",
    ),
    ("build with --platform linux/amd64 in CI", "deploy through Surefoot, whose preflight checks the architecture"),
)
NOT_FOUND = Playbook(
    "image_not_found",
    "application",
    "The image that the task definition names does not exist.",
    _IMPACT,
    ("a misspelt repository, tag or digest", "an image that was never pushed", "a lifecycle policy that deleted it"),
    (DESCRIBE_TASK, "aws ecr describe-images --repository-name <repository> --image-ids imageTag=<tag>"),
    ("deploy by digest", "let lifecycle policies keep what is deployed"),
)
ACCESS = Playbook(
    "image_access_denied",
    "security",
    "The tasks may not pull the image.",
    _IMPACT,
    (
        "an execution role without ecr:GetAuthorizationToken or ecr:BatchGetImage",
        "a repository policy that refuses this account",
        "wrong or missing registry credentials",
    ),
    (DESCRIBE_TASK, "aws ecr get-repository-policy --repository-name <repository>"),
    ("attach AmazonECSTaskExecutionRolePolicy to the execution role",),
)
NETWORK = Playbook(
    "image_registry_unreachable",
    "infrastructure",
    "The tasks cannot reach the image's registry.",
    _IMPACT,
    (
        "subnets without a NAT gateway, a public address or VPC endpoints for ECR and S3",
        "a security group or network ACL that refuses HTTPS to the outside",
        "a rate limit of the registry",
    ),
    (DESCRIBE_SERVICE, DESCRIBE_TASK, "aws ec2 describe-vpc-endpoints", "aws ec2 describe-route-tables"),
    ("use VPC endpoints for ECR (api, dkr) and S3", "pull public images through an ECR pull-through cache"),
)
OTHER = Playbook(
    "image_pull_failed",
    "infrastructure",
    "The image cannot be pulled.",
    _IMPACT,
    ("what the evidence quotes",),
    (DESCRIBE_TASK, DESCRIBE_SERVICE),
    ("deploy by digest", "pull the image once before the release"),
)

_PULL = "CannotPull"
RULES = (
    TaskRule(
        ARCHITECTURE, matches(_PULL, r"descriptor matching platform|no matching manifest|does not match.*platform")
    ),
    TaskRule(NETWORK, matches(_PULL, r"timeout|timed out|dial tcp|request canceled|no such host|toomanyrequests")),
    TaskRule(ACCESS, matches(_PULL, r"denied|not authorized|unauthorized|no basic auth|forbidden|\b403\b")),
    TaskRule(NOT_FOUND, matches(_PULL, r"not found|manifest unknown|does not exist|\b404\b")),
    TaskRule(OTHER, matches(_PULL)),
)
