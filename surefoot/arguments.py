"""Arguments of several commands: names, ids, durations, and their checks."""

import getpass
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from contracts.bounds import LONGEST_ACTOR, LONGEST_TEXT
from contracts.prose import prose
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ARN = re.compile(
    r"arn:aws[a-z-]*:ecs:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):(?P<kind>cluster|service)/(?P<path>.+)"
)


def user_name() -> str:
    """Return the name of the user who runs this command, as the machine knows it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "surefoot cli"


def positive(_type: object, value: float | None) -> None:
    """Refuse what is no positive number, infinity included. Raise ``ValueError``."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise ValueError(f"it must be greater than 0, not {value:g}")


def not_negative(_type: object, value: float | None) -> None:
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise ValueError(f"it must not be less than 0, as {value:g} is")


def overrides_of(texts: Sequence[str]) -> list[dict[str, str]]:
    """Return overrides as a request has them. Raise ``CannotDo``."""
    pairs = [text.partition("=") for text in texts]
    if any(not check or not reason.strip() for check, _, reason in pairs):
        raise CannotDo("an override is CHECK=REASON: which check may be passed over, and why", Exit.USAGE)
    return [{"gate": check, "reason": reason} for check, _, reason in pairs]


def share_of_all(_type: object, value: float | None) -> None:
    if value is not None and not 0 < value <= 1:
        raise ValueError(f"it must be greater than 0 and at most 1, not {value:g}")


def port_number(_type: object, value: int) -> None:
    if not 0 <= value <= 65535:
        raise ValueError(f"a port is a number from 0 to 65535, not {value}")


def _at_most(longest: int, value: str | None) -> None:
    """Refuse a text that no service would take. It is measured as it is published: an escape is longer."""
    if value is not None and (length := len(prose(value))) > longest:
        raise ValueError(f"it has {length:,} characters, with escapes for what is not shown; {longest:,} are the most")


def short_name(_type: object, value: str | None) -> None:
    _at_most(LONGEST_ACTOR, value)


def short_text(_type: object, value: str | None) -> None:
    _at_most(LONGEST_TEXT, value)


def repeated(words: str) -> Parameter:
    """Return how an option is declared that may be given several times."""
    return Parameter(negative="", show_default=False, help=words)


Cluster = Annotated[str, Parameter(help="The ECS cluster, by name or ARN.")]
Service = Annotated[str, Parameter(help="The ECS service, by name or ARN.")]
RunId = Annotated[str | None, Parameter(help="Which run; without it the active one is meant, or else the last.")]
Timeout = Annotated[
    float | None,
    Parameter(validator=positive, help="Stop waiting after so many seconds of your own; the run goes on."),
]
Actor = Annotated[
    str | None,
    Parameter(
        validator=short_name,
        help="For whom this is; it stands in the record, behind the caller whom the key proves. By default, your user.",
    ),
]
Reason = Annotated[str, Parameter(validator=short_text, help="Why; it stands in the record.")]
Verbose = Annotated[
    bool, Parameter(name=("--verbose", "-v"), negative="", help="Show gates that pass, too, and shorten nothing.")
]
Speed = Annotated[
    float, Parameter(validator=positive, help="How many seconds of product time pass in a second of your own.")
]


@dataclass(frozen=True, slots=True)
class Requester:
    """The person who asks for something, and the reason."""

    actor: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Where:
    """Account and region, which tell services with the same names apart."""

    account: Annotated[str | None, Parameter(help="The AWS account, where several have the service.")] = None
    region: Annotated[str | None, Parameter(help="The region, where several have the service.")] = None


Located = Annotated[Where, Parameter(name="*")]
ANYWHERE = Where()


@dataclass(frozen=True, slots=True)
class Place:
    """The service that is meant. ``account`` and ``region`` are set where an ARN or an option names them."""

    cluster: str
    service: str
    account: str | None = None
    region: str | None = None

    @classmethod
    def of(cls, cluster: str, service: str, where: Where = ANYWHERE) -> "Place":
        """Read names or ARNs. Raise ``CannotDo`` for a text that is neither, and for contradicting ARNs."""
        name, account, region = _read("cluster", cluster)
        path, other_account, other_region = _read("service", service)
        inside, _, own = path.rpartition("/") if other_account else ("", "", path)
        for what, first, other in (
            ("account", account, other_account),
            ("region", region, other_region),
            ("cluster", name, inside or None),
            ("account", account or other_account, where.account),
            ("region", region or other_region, where.region),
        ):
            if first and other and first != other:
                raise CannotDo(f"the service is in the {what} {other}, and the cluster named is {first}", Exit.USAGE)
        return cls(
            _named("cluster", name),
            _named("service", own),
            account or other_account or where.account,
            region or other_region or where.region,
        )

    @property
    def query(self) -> dict[str, str]:
        """Return the query by which a Surefoot of another account or region refuses the request."""
        known = {"account": self.account, "region": self.region}
        return {name: value for name, value in known.items() if value is not None}

    def __str__(self) -> str:
        return f"{self.cluster} {self.service}"


def _read(kind: str, text: str) -> tuple[str, str | None, str | None]:
    if not text.startswith("arn:"):
        return text, None, None
    arn = _ARN.fullmatch(text)
    if arn is None or arn["kind"] != kind:
        raise CannotDo(f"{text} is no ARN of an ECS {kind}, which ends in :{kind}/…", Exit.USAGE)
    return arn["path"], arn["account"], arn["region"]


def _named(kind: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise CannotDo(f"{name!r} is no name of a {kind}: ECS allows letters, digits, - and _", Exit.USAGE)
    return name
