"""The command that says who has changed a service."""
# ruff: noqa: PLC0415  so that no command waits for the imports of another

import re
from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import Parameter

from surefoot.arguments import ANYWHERE, Cluster, Located, Place, Service
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, Json, result

_SPAN = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?)([mhd])")
_HOURS = {"m": 1 / 60, "h": 1.0, "d": 24.0}


def moved(
    cluster: Cluster,
    service: Service,
    *,
    since: Annotated[str, Parameter(help="How far back: 90m, 24h or 7d; 90d at most.")] = "24h",
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Show who changed a service's version, desired count and scaling limits, the newest first, and what shows it."""
    from surefoot.client import Surefoot

    found = Surefoot().moves(Place.of(cluster, service, where), hours_of(since))
    result(found, json, moves)
    return Exit.SUCCEEDED


def hours_of(span: str) -> float:
    """Return the hours of ``90m``, ``24h`` or ``7d``. Raise ``CannotDo``."""
    found = _SPAN.fullmatch(span.strip())
    hours = float(found[1]) * _HOURS[found[2]] if found else 0.0
    if not 0 < hours <= 90 * 24:
        raise CannotDo(f"--since is a time such as 90m, 24h or 7d, and 90d at most, not {span[:40]}", Exit.USAGE)
    return hours


def moves(found: Mapping[str, Any]) -> str:
    """Return who moved each last, a line for each move with its evidence, and what could not be read."""
    lines = list(found["sentences"])
    for move in found["moves"]:
        at = str(move["at"])[:19].replace("T", " ")
        lines.append(f"  {at}  {move['by']} ({move['sure']}): {move['sentence']}")
        lines += [f"    {clause}" for clause in move["evidence"]]
    lines += [f"  {name}: {why}" for name, why in found["sources"].items() if why != "read"]
    return "\n".join(lines)
