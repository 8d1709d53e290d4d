"""What the sections of a policy are made of: their base class, their defaults, and the types of their values."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from contracts.base import Contract

Digest = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]
"""SHA-256 of the policy file or directory, hexadecimal; empty in an installation without one."""
Path = Annotated[str, StringConstraints(pattern=r"^/([!-.0-~][!-~]*)?$", max_length=512)]
"""An absolute path of printable characters. ``//host`` is refused, since it would name another host."""
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$", max_length=512)]
"""An HTTP URL without a query, and without credentials, which would reach logs."""
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9/_+=.@:-]{1,512}$")]
ExternalId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+=,.@:/-]{2,1224}$")]
RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""The name of an alert rule; it becomes a part of the names of alarms and alerts."""
KeyName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""The name of an outside party's signing key."""

Repository = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z0-9.-]+(:[0-9]{1,5})?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*$", min_length=1, max_length=512
    ),
]
"""A repository of images with its registry, without tag and digest; without a registry it is one of Docker Hub."""
Family = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,255}$")]
"""The family of a task definition."""
RoleArn = Annotated[str, StringConstraints(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,512}$")]

OFF = "off"
"""The one spelling for switching off a rule, a database, a topic or a URL that the defaults set."""


def default(value: Any, source: str, **bounds: Any) -> Any:
    """Return a field with a default value and where that value comes from."""
    return Field(default=value, json_schema_extra={"source": source}, **bounds)


class Section(Contract):
    model_config = ConfigDict(use_attribute_docstrings=True)
