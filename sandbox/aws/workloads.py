"""The workload of each account and region: the names of a service and of its resources."""

from dataclasses import dataclass

from sandbox.aws.accounts import HOME, OPT_IN_REGION, REGION, SECOND_ACCOUNT, Place


@dataclass(frozen=True, slots=True)
class Workload:
    """A service behind a load balancer, with a database and two secrets."""

    place: Place
    cluster: str
    service: str
    container: str
    family: str
    load_balancer: str
    target_group: str
    database: str
    """The identifier of the RDS instance."""
    namespace: str
    """Namespace of the metrics that the application itself publishes."""
    log_group: str
    secret: str
    """The name of the secret that its task definition refers to."""
    header_secret: str
    """The name of the secret that holds a header's value for tests of the application."""
    application: str
    """The tag ``application`` of the service."""
    bucket: str = ""
    """A versioned bucket for snapshots; empty for none."""

    @property
    def roles(self) -> str:
        """Return the prefix of the ARNs of its account's roles."""
        return f"arn:aws:iam::{self.place.account}:role"

    @property
    def secret_arn(self) -> str:
        return f"arn:aws:secretsmanager:{self.place.region}:{self.place.account}:secret:{self.secret}-AbCdEf"


COURT = Workload(
    HOME,
    cluster="CourtCaseCluster",
    service="BackendService",
    container="backend",
    family="court-case-backend",
    load_balancer="court-case-alb",
    target_group="court-case-backend",
    database="court-case-db",
    namespace="CourtCase/Production",
    log_group="/ecs/court-case-backend",
    secret="court-case/jwt",  # noqa: S106  its name, not its value
    header_secret="court-case/probe-token",  # noqa: S106  its name, not its value
    application="court-case",
    bucket="court-case-disaster-recovery-backups",
)
"""The service of the requirements (docs/requirements.md)."""
PAYMENTS = Workload(
    Place(SECOND_ACCOUNT, REGION),
    cluster="payments-prod",
    service="payments-api",
    container="backend",
    family="payments-api",
    load_balancer="payments-alb",
    target_group="payments-api",
    database="payments-db",
    namespace="Payments/Production",
    log_group="/ecs/payments-api",
    secret="payments/jwt",  # noqa: S106  its name, not its value
    header_secret="payments/probe-token",  # noqa: S106  its name, not its value
    application="payments",
)
"""The workload of the second account, which is entered by the role ``surefoot``."""
COURT_SOUTH = Workload(
    Place(HOME.account, OPT_IN_REGION),
    cluster="CourtCaseCluster",
    service="BackendService",
    container="backend",
    family="court-case-backend",
    load_balancer="court-case-alb",
    target_group="court-case-backend",
    database="court-case-db-south",
    namespace="CourtCase/Production",
    log_group="/ecs/court-case-backend",
    secret="court-case/jwt",  # noqa: S106  its name, not its value
    header_secret="court-case/probe-token",  # noqa: S106  its name, not its value
    application="court-case",
)
"""The same names in the second region, which takes tokens of regional STS endpoints only."""
EVERYWHERE = (COURT, PAYMENTS, COURT_SOUTH)

ROLE = "surefoot"
"""The role to assume in each account."""
EXTERNAL_ID = "surefoot-7f3d9c"
"""The external id that the second account's role demands."""
