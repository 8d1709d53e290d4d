"""The format of a policy file: which keys it may have, and which values. ``policy.py`` has what they mean.

The models here are derived from the sections of ``policy.py``: the same fields, none of them required, no key besides.
They validate the file and make the JSON Schema that is published, so that an editor and Surefoot accept the same files.
"""

from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, create_model

from contracts import policy
from contracts.access import Issuer, Pipeline, ShortName
from contracts.base import AccountId, Name, Region
from contracts.policy import SECTIONS, Access
from contracts.policy_rules import RulePolicy
from contracts.policy_section import ExternalId, RuleName, Section
from contracts.policy_tests import HttpTest

Off = Literal["off"]
"""How a file spells ``OFF``."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FileTest(HttpTest):
    """An ``HttpTest`` of the file, in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


class FileAccess(Access):
    """An ``Access`` of the file, in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")

    external_id: ExternalId = None  # type: ignore[assignment]  # it may be left out, and null is not offered


class FileIssuer(Issuer):
    """An ``Issuer`` of the file, in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


class FilePipeline(Pipeline):
    """A ``Pipeline`` of the file, in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


def _typed(annotation: Any, metadata: list[Any]) -> Any:
    """Return the type of a field in the file: optional text becomes text or ``off``; null is not offered."""
    if annotation == tuple[HttpTest, ...]:
        annotation = tuple[FileTest, ...]
    members = get_args(annotation)
    if NoneType in members:
        (member,) = (member for member in members if member is not NoneType)
        annotation = member if get_origin(member) is tuple else Off | member
    return Annotated[annotation, *metadata] if metadata else annotation


def _partial(section: type[Section], *, without: tuple[str, ...] = (), **narrower: Any) -> type[BaseModel]:
    """Return the section as a file may have it: each field optional, no field besides; some with a narrower type."""
    fields: dict[str, Any] = {}
    for name, field in section.model_fields.items():
        if name not in without:
            default = None if field.is_required() else field.default
            described = Field(default=default, description=field.description)
            fields[name] = (narrower.get(name) or _typed(field.annotation, field.metadata), described)
    return create_model(section.__name__, __base__=_File, __doc__=section.__doc__, **fields)


RuleChange = _partial(RulePolicy, without=("name",), comparison=Literal[">", ">=", "<", "<="])
"""A rule of the file. It cannot be about equality: a measurement hardly ever equals a threshold."""
RuleEntry = Annotated[
    Annotated[Off, Tag("off")] | Annotated[RuleChange, Tag("rule")],  # type: ignore[valid-type]  # made above
    Discriminator(lambda given: "rule" if isinstance(given, dict | RuleChange) else "off"),
]

_SECTION_FIELDS: dict[str, Any] = {
    name: (_partial(section), Field(default={}, description=section.__doc__)) for name, section in SECTIONS.items()
}
_SECTION_FIELDS["rules"] = (
    dict[RuleName, RuleEntry],
    Field(default={}, description="Alert rules by name: changes to built-in ones, and rules of your own."),
)

Defaults = create_model(
    "Defaults",
    __base__=_File,
    __doc__="What holds for every service that does not say otherwise.",
    account=(AccountId, Field(default=None, description="Twelve digits in quotes; asked of STS if it is left out.")),
    region=(Region, Field(default="us-west-2", description="An AWS region.")),
    **_SECTION_FIELDS,
)
ServiceEntry = create_model(
    "Service",
    __base__=Defaults,
    __doc__="One service, with whatever differs from the defaults.",
    cluster=(Name, Field(description="The cluster's name in ECS.")),
    service=(Name, Field(description="The service's name in ECS.")),
)


class PolicyFile(_File):
    """A policy for each service of an installation."""

    # not in ``_File``: for a model that is made at run time pydantic would search the source of every caller for it
    model_config = ConfigDict(use_attribute_docstrings=True)

    version: Literal[1]
    unlisted: Literal["defaults", "refuse"] = "defaults"
    """What is done with services that are not listed: they have the defaults, or they are refused."""
    allow_empty: bool = False
    """Lets a reload remove all services."""
    defaults: Defaults = {}  # type: ignore[assignment]  # only its keys are looked at
    accounts: dict[AccountId, FileAccess] = {}
    """How to act in other accounts, by account id in quotes."""
    issuers: dict[ShortName, FileIssuer] = {}
    """Who issues tokens by which pipelines are recognised, by a name of your own."""
    pipelines: dict[ShortName, FilePipeline] = {}
    """Pipelines that may use the API by a token, by the name that they have as callers: `pipeline:NAME`."""
    services: Annotated[tuple[ServiceEntry, ...], Field(max_length=policy.MOST_SERVICES)] = ()


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a policy file.

    It knows nothing of what spans several keys: a service that is listed twice, a rule of your own that is not
    complete, a role of another account.
    """
    made: dict[str, Any] = _plain(PolicyFile.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:surefoot:policy.v1", **made}


def _plain(schema: Any) -> Any:
    """Leave out what is redundant or internal, and let maps with a pattern for their keys have no other keys."""
    if isinstance(schema, list):
        return [_plain(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _plain(value) for key, value in schema.items() if not _is_redundant(key, value)}
    if "patternProperties" in kept:
        kept["additionalProperties"] = False
    return kept


def _is_redundant(key: str, value: Any) -> bool:
    """Return whether an entry is redundant: a title, the internal ``source``, an empty default, ``uniqueItems``."""
    return (
        (key == "title" and isinstance(value, str))
        or (key == "source" and isinstance(value, str))
        or (key == "default" and value in (None, {}))
        or (key == "uniqueItems" and value is True)
    )
