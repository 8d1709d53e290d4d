"""The settings that every service has, under the names of the requirements (docs/requirements.md).

The environment wins over the YAML file.
"""

import os
import socket
from functools import cache
from importlib import import_module
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from contracts.base import AccountId, Name, Region
from contracts.topics import SERVICES
from services._chassis.access.hosts import means_loopback
from services._chassis.access.served import Served
from services._chassis.aws_limits import AwsLimits
from services._chassis.config_file import read_config
from services._chassis.connection_settings import KafkaSettings, RedisSettings, TlsSettings
from services._chassis.signatures import Signatures
from services._policy import environment

NOT_THERE_YET = {"anomaly_detection_enabled": "anomalies are not detected yet"}
"""Settings of the requirements (docs/requirements.md) for what is not built: they stop no start, and are reported."""


class Settings(KafkaSettings, RedisSettings, TlsSettings):
    """Read from the environment and from the YAML file that ``SUREFOOT_CONFIG`` names."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    aws_region: Region = "us-west-2"
    """The region of every target."""
    aws_account: AccountId | None = None
    """Twelve digits; asked of STS when it is not given, and checked against STS when it is."""
    cluster_name: Name | None = None
    """The cluster that is meant where a request names none."""
    service_name: Name | None = None

    surefoot_policy: str | None = None
    """A file, a directory or ``s3://bucket/key`` with a policy for each service (docs/policy.md); without one these
    settings are the policy."""
    surefoot_policy_owner: AccountId | None = None
    """The account that the policy's bucket must belong to; without it, the account of the credentials."""
    surefoot_policy_signed_by: (
        Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(:[a-z0-9-]+)?(,[a-z0-9-]+(:[a-z0-9-]+)?)*$")] | None
    ) = None
    """Who of the trusted keys' holders must have signed the policy, as ``operators:alice,operators:bob``: one of them
    is enough. Without it, a policy needs no signature."""

    audit_bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] | None = None
    """The S3 bucket to which the audit is written as JSON lines, below ``audit/`` (docs/audit.md); it may be that of
    the snapshots. Without one, the audit is on its topic alone."""
    audit_bucket_owner: AccountId | None = None
    """The account that the audit's bucket must belong to; without it, the account of the credentials."""
    audit_kms_key: (
        Annotated[
            str,
            StringConstraints(
                pattern=r"^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:)?(key/|alias/)?[A-Za-z0-9/_-]{1,250}$",
            ),
        ]
        | None
    ) = None
    """The KMS key that encrypts the audit: its id, its ARN or an alias (``alias/…``). Without one, S3's own key."""

    kafka_replication_factor: Annotated[int, Field(ge=1, le=9)] = 1
    """Replicas of the topics that this service creates when they are missing; 3 in production."""

    surefoot_signatures: Signatures = Signatures.DEMANDED
    """Whether messages must be signed by who may write them: ``demanded``, ``accepted`` while not all writers sign
    yet, or ``off`` (docs/signatures.md)."""
    surefoot_signing_key: str | None = None
    """The file of this service's private key, in PEM; ``{party}`` in it stands for the service's name."""
    surefoot_trusted_keys: str | None = None
    """The file of the public keys that are trusted. A change takes effect within seconds."""

    surefoot_trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    """How many proxies in front append the address that they saw to X-Forwarded-For. Callers are told apart by it."""
    surefoot_access: Served | None = None
    """Who is served over HTTP without a credential: ``loopback``, callers on this machine and until there is an API key
    or an issuer; ``demanded``, nobody; ``open``, everybody (docs/access.md). None: as ``served`` says."""
    surefoot_allowed_hosts: str = ""
    """Names under which clients reach this process, with commas between them: what ``Host`` may say besides loopback,
    this machine's name and the address that was connected to."""
    surefoot_log_level: Annotated[str, StringConstraints(pattern="^(debug|info|warning|error)$")] = "info"
    surefoot_clock: str = "1@0"
    """Product time, ``RATE@ANCHOR``; only the sandbox sets it (``clock.py``)."""
    startup_timeout: Annotated[float, Field(gt=0)] = 60
    """Real seconds to wait for Kafka, Redis and AWS before the process gives up."""
    shutdown_timeout: Annotated[float, Field(gt=0)] = 10
    """Real seconds that work in flight may take to end, before the process leaves without it."""
    stall_timeout: Annotated[float, Field(gt=0)] = 60
    """Real seconds for which a consumer may stand still, without partitions or before messages, until the process
    ends so that its supervisor starts it again."""
    surefoot_instance: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,100}$")] | None = None
    """A name that this replica alone has, and has again after a restart: Kafka then keeps its partitions for it, and
    its outbox entries are its own. ``hostname`` stands for this machine's name, which is right in containers. Of two
    processes of one name the later one waits, not ready, until the earlier one has ended or was silent for five
    seconds. Without such a name the partitions of a killed replica wait for ``kafka_session_timeout``."""
    kafka_session_timeout: Annotated[float, Field(gt=0)] = 15
    """Real seconds of silence after which Kafka gives a replica's partitions to others."""
    kafka_request_timeout: Annotated[float, Field(gt=0)] = 20
    """The longest, in real seconds, that Kafka may take to answer or to confirm."""
    aws_answer_timeout: Annotated[float, Field(gt=0)] = 10
    """The longest, in real seconds, that AWS may take to answer one try of a call."""
    aws_tries: Annotated[int, Field(ge=1, le=10)] = 4
    """How often a call that AWS throttles or leaves unanswered is sent."""
    aws_read_budget: Annotated[float, Field(ge=0)] = 15
    """Reads of ECS a second, in each account and region, of all services and replicas together; they share it in
    Redis. ECS allows 20 (developer guide, "Request throttling for the Amazon ECS API"), and others in the account need
    some. 0: no budget."""
    job_lease: Annotated[float, Field(gt=0)] = 30
    """Real seconds after which a job whose executor is silent is taken over."""
    job_slots: Annotated[int, Field(ge=1, le=64)] = 32
    """How many jobs one process works on at a time: they mostly wait, and a rollback holds its place to its end.
    Changes and rollbacks have as many places again, which no other jobs take."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = os.environ.get("SUREFOOT_CONFIG")
        file = (InitSettingsSource(settings_cls, read_config(path, known_settings())),) if path else ()
        return (init_settings, env_settings, *file)

    def member(self, service: str) -> str | None:
        """Return this replica's name in its consumer group and at its outbox; None: a name that is never reused."""
        name = socket.gethostname() if self.surefoot_instance == "hostname" else self.surefoot_instance
        return name and f"{service}-{name}"

    @property
    def served(self) -> Served:
        """Who is served without a credential, by default nobody where others than this machine reach the port.

        A process that starts on an empty Redis cannot know whether there were keys before it was lost.
        """
        if self.surefoot_access is not None:
            return self.surefoot_access
        return Served.LOOPBACK if means_loopback(self.surefoot_http_host) else Served.DEMANDED

    @property
    def straggler_window(self) -> float:
        """Real seconds after which nothing that an executor sent before it lost its job can still reach AWS."""
        return self.job_lease + self.aws_limits.connect + self.aws_limits.answer

    @property
    def aws_limits(self) -> AwsLimits:
        return AwsLimits(answer=self.aws_answer_timeout, tries=self.aws_tries)


def without_effect(path: str | None) -> list[str]:
    """Return a sentence for each setting, of the file or of the environment, that is accepted and does nothing yet."""
    given = {*(read_config(path, known_settings()) if path else ()), *map(str.lower, os.environ)}
    return [f"{name} has no effect: {why}" for name, why in NOT_THERE_YET.items() if name in given]


@cache
def known_settings() -> frozenset[str]:
    """Return the names of all services' settings, and of those that belong to the policy: they may share one file."""
    modules = (import_module(f"services.{service}.settings") for service in SERVICES)
    own = (name for module in modules for name in module.Settings.model_fields)
    return environment.NAMES.union(own, NOT_THERE_YET)


def sentence(error: ValidationError) -> str:
    """Name each wrong setting and what it must be, without its value, which could be a secret."""
    faults = (f"{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors(include_input=False))
    return "wrong settings: " + "; ".join(faults)
