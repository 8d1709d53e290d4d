"""Settings that every service has. The names are the guide's; the environment wins over the YAML file."""

import os
from typing import Annotated

from pydantic import AnyUrl, Field, StringConstraints, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from contracts.base import Name, Target


class Settings(BaseSettings):
    """Read from the environment and from the YAML file that ``SUREFOOT_CONFIG`` names."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    aws_region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")] = "us-west-2"
    """The region of every target."""
    aws_account: Annotated[str, StringConstraints(pattern=r"^\d{12}$")] | None = None
    """Twelve digits; asked of STS when it is not given, and checked against STS when it is."""
    cluster_name: Name | None = None
    """The target of those endpoints that name none."""
    service_name: Name | None = None

    kafka_bootstrap_servers: str = "127.0.0.1:9092"
    kafka_replication_factor: Annotated[int, Field(ge=1, le=9)] = 1
    """Of the topics that this service creates when they are missing; 3 in production."""
    redis_url: AnyUrl = AnyUrl("redis://127.0.0.1:6379/0")
    """A Redis that neither evicts nor forgets: ``maxmemory-policy noeviction``, ``appendfsync always``."""

    surefoot_http_host: str = "127.0.0.1"
    surefoot_http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    surefoot_log_level: Annotated[str, StringConstraints(pattern="^(debug|info|warning|error)$")] = "info"
    surefoot_clock: str = "1@0"
    """Product time, ``RATE@ANCHOR``; only the sandbox sets it (``clock.py``)."""
    startup_timeout: Annotated[float, Field(gt=0)] = 60
    """Real seconds to wait for Kafka, Redis and AWS before the process gives up."""
    shutdown_timeout: Annotated[float, Field(gt=0)] = 10
    """Real seconds that work in flight may take to end."""
    job_lease: Annotated[float, Field(gt=0)] = 30
    """Real seconds after which a job whose executor is silent is taken over."""
    job_slots: Annotated[int, Field(ge=1, le=64)] = 8
    """How many jobs one process works on at a time."""

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
        yaml = (YamlConfigSettingsSource(settings_cls, yaml_file=path),) if path else ()
        return (init_settings, env_settings, *yaml)

    def target(self, cluster: str | None = None, service: str | None = None) -> Target:
        """Return a target of this account and region.

        The configured cluster and service stand in for what is not given. Raise ``ValueError`` with a
        sentence that says what to do when there is none.
        """
        cluster, service = cluster or self.cluster_name, service or self.service_name
        if not cluster or not service:
            raise ValueError("name a cluster and a service, or set CLUSTER_NAME and SERVICE_NAME")
        if not self.aws_account:
            raise ValueError("the AWS account is not known yet")
        return Target(account=self.aws_account, region=self.aws_region, cluster=cluster, service=service)


def sentence(error: ValidationError) -> str:
    """Name each wrong setting and what it must be, without its value, which could be a secret."""
    faults = (f"{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors(include_input=False))
    return "wrong settings: " + "; ".join(faults)
