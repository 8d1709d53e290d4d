"""Who may use the API: roles, and how a token of a pipeline is recognised. ``policy.py`` has the roles by service."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from contracts.base import Contract

ShortName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""The name of an issuer, of a pipeline, or of the holder of an API key."""
CallerName = Annotated[str, StringConstraints(pattern=r"^(key|pipeline):[a-z0-9][a-z0-9-]{0,62}$")]
"""A caller who was proven: ``key:NAME`` by an API key, ``pipeline:NAME`` by a token."""
PROVEN_NAMES = ("key:", "pipeline:", "ci:")
"""What the names of proven callers begin with: over HTTP, and by a signature of CI over Kafka."""
IssuerUrl = Annotated[str, StringConstraints(pattern=r"^https://[a-z0-9.:-]+(/[A-Za-z0-9._/-]*[A-Za-z0-9])?$")]
Audience = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]
NumericId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]
Ref = Annotated[str, StringConstraints(pattern=r"^refs/(heads|tags)/[!-)+-~]+\*?$", max_length=300)]
"""A branch or a tag in full; with a ``*`` at its end, all that begin so."""
Environment = Annotated[str, StringConstraints(pattern=r"^[^\s].*$", max_length=255)]
Trigger = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,60}$")]


class Role(StrEnum):
    """What a caller may do. Each role includes all that stand before it."""

    VIEWER = "viewer"
    """Look at everything, and change nothing."""
    DEPLOYER = "deployer"
    """Ask for deployments, validations, snapshots, alarms and dashboards."""
    APPROVER = "approver"
    """Let a gate pass by an override; approve and reject runs."""
    OPERATOR = "operator"
    """Abort, pause and resume runs, and roll back."""
    ADMIN = "admin"
    """Reload the policy of an installation."""

    def includes(self, other: "Role") -> bool:
        return ROLES.index(self) >= ROLES.index(other)


ROLES = tuple(Role)


class Issuer(Contract):
    """Who issues tokens that say which pipeline runs."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    url: IssuerUrl
    """The claim ``iss``, exactly: https://token.actions.githubusercontent.com, or the address of a GitLab."""
    kind: Literal["github", "gitlab"]
    """The tokens have the claims of this maker's."""
    audience: Audience
    """The claim ``aud`` that tokens for this installation have."""

    @property
    def keys_url(self) -> str:
        """Return where the issuer publishes the keys that its tokens are signed with."""
        return self.url + {"github": "/.well-known/jwks", "gitlab": "/oauth/discovery/keys"}[self.kind]


class Pipeline(Contract):
    """Which tokens of an issuer are this caller's: all that is said here must hold."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    issuer: ShortName
    """Its name under ``issuers``."""
    repository_id: NumericId
    """The number, in quotes, of the repository (GitLab: of the project), which outlives its name."""
    owner_id: NumericId
    """The number, in quotes, of the repository's owner (GitLab: of the namespace)."""
    refs: Annotated[tuple[Ref, ...], Field(max_length=50)] = ()
    """Branches and tags, as refs/heads/main or refs/tags/v*; one of them. GitLab's must be protected."""
    environments: Annotated[tuple[Environment, ...], Field(max_length=50)] = ()
    """Environments, one of which the job must name."""
    events: Annotated[tuple[Trigger, ...], Field(min_length=1, max_length=20)] = ("push", "workflow_dispatch", "web")
    """What may have started the pipeline: GitHub's event_name, GitLab's pipeline_source."""
