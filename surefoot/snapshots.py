"""The commands about what one can go back to: snapshots, what differs between them, and what has drifted since."""
# ruff: noqa: PLC0415  so that no command waits for the imports of another

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import App, Parameter

from surefoot.arguments import ANYWHERE, Cluster, Located, Place, Service
from surefoot.exit_codes import Exit
from surefoot.output import Json, result

app = App(
    name="snapshots",
    help="List the snapshots of a service, the newest first; `diff` says what differs between two.",
    default_parameter=Parameter(negative_iterable=()),
    help_format="plaintext",
)
Snapshot = Annotated[str, Parameter(help="Of `surefoot snapshots`; the beginning of its id will do.")]


@app.default
def snapshots(cluster: Cluster, service: Service, *, where: Located = ANYWHERE, json: Json = False) -> int:
    """List the snapshots of a service, the newest first."""
    from surefoot.client import Surefoot
    from surefoot.rollback import listed

    found = Surefoot().snapshots(Place.of(cluster, service, where))
    result(found, json, listed)
    return Exit.SUCCEEDED


@app.command
def diff(
    cluster: Cluster,
    service: Service,
    before: Snapshot,
    after: Snapshot,
    *,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Show what differs from one snapshot to another, in sentences. Of a secret only that it has changed."""
    from surefoot.client import Surefoot
    from surefoot.rollback import named

    api, place = Surefoot(), Place.of(cluster, service, where)
    known = api.snapshots(place)["snapshots"]
    found = api.compare(place, named(known, place, before), named(known, place, after))
    result(found, json, compared)
    return Exit.SUCCEEDED


def drift(cluster: Cluster, service: Service, *, where: Located = ANYWHERE, json: Json = False) -> int:
    """Show how a service differs from its last good snapshot. Exit 1 where it does."""
    from surefoot.client import Surefoot

    found = Surefoot().drift(Place.of(cluster, service, where))
    result(found, json, drifted)
    return Exit.FAILED if found["state"] == "drifted" else Exit.SUCCEEDED


def ready(
    cluster: Cluster,
    service: Service,
    *,
    to_region: Annotated[
        str | None, Parameter(help="Look whether the service could be made again in this region.")
    ] = None,
    to_cluster: Annotated[
        str | None, Parameter(help="Look whether the service could be made again in this cluster.")
    ] = None,
    map: Annotated[  # noqa: A002  the name of the option
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            help="OLD=NEW: what stands there for what the snapshot names; by default as the policy's `elsewhere` has "
            "it. May be repeated.",
        ),
    ] = (),
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Show to which snapshots one can go back, or why not, and how long each recovery plan takes.

    With --to-region or --to-cluster: whether the service could be made there from its last good snapshot, with each
    reason why not. Exit 0 where one can go back to the last good snapshot and to the one before it, or where it could
    be made there, else 1.
    """
    from surefoot.client import Surefoot

    place = Place.of(cluster, service, where)
    if to_region or to_cluster or map:
        asked = {"region": to_region, "cluster": to_cluster, "names": map}
        there = Surefoot().elsewhere(place, {name: value for name, value in asked.items() if value})
        result(there, json, made_there)
        return Exit.SUCCEEDED if there["can_be_made"] else Exit.FAILED
    found = Surefoot().readiness(place)
    result(found, json, ways_back)
    return Exit.SUCCEEDED if found["ready"] else Exit.FAILED


def ways_back(found: Mapping[str, Any]) -> str:
    """Return the answer, a line for each snapshot, and one for each plan."""
    lines = [found["sentence"]]
    for way in found["snapshots"]:
        kind = "live" if way["live"] else "proven" if way["proven"] else "not proven"
        lines.append(f"  {way['snapshot_id']}  {way['version']} ({kind}): {way['sentence']}")
        lines += [f"    but {_lower(beware)}" for beware in way["beware"]]
    for plan in found["plans"]:
        times = f"RTO {plan['rto_minutes']} min, RPO {plan['rpo_minutes']} min"
        lines.append(f"  plan {plan['plan']} ({times}): {plan['sentence']}")
    if elsewhere := found.get("elsewhere"):
        lines.append(f"  elsewhere, as seen at {elsewhere['at']}: {elsewhere['sentence']}")
        lines += [f"    {reason}" for reason in elsewhere["because"]]
    return "\n".join(lines)


def made_there(found: Mapping[str, Any]) -> str:
    """Return whether it could be made in another place, and a line for each reason and each warning."""
    reasons = [f"  {reason}" for reason in found["because"]]
    return "\n".join([found["sentence"], *reasons, *(f"  but {_lower(beware)}" for beware in found["beware"])])


def _lower(sentence: str) -> str:
    return f"{sentence[:1].lower()}{sentence[1:]}"


def compared(found: Mapping[str, Any]) -> str:
    """Return a line for each difference, and for what could not be compared."""
    return "\n".join(_lines(found) or ["nothing differs"])


def drifted(found: Mapping[str, Any]) -> str:
    return "\n".join([found["sentence"], *_lines(found)])


def _lines(found: Mapping[str, Any]) -> Sequence[str]:
    return [f"  {sentence}" for sentence in (*found["differences"], *found["not_compared"])]
