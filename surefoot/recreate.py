"""``surefoot recreate``: make a service again of which parts are gone."""
# ruff: noqa: PLC0415  so that no command waits for the imports of another

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from surefoot.arguments import ANYWHERE, Actor, Cluster, Located, Place, Reason, Requester, Service, repeated, user_name
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, Json

Snapshot = Annotated[
    str | None, Parameter(help="From which; by default the newest proven one, without one the newest.")
]
Count = Annotated[int | None, Parameter(help="How many tasks are wanted; by default as many as in the snapshot.")]
FromCluster = Annotated[
    str | None, Parameter(help="The cluster of the snapshot, where the service is made in another one.")
]
FromRegion = Annotated[
    str | None, Parameter(help="The region of the snapshot, where the service is made in another one (--region).")
]
Names = Annotated[
    tuple[str, ...],
    repeated("OLD=NEW: an id, an ARN or a name in the snapshot, and what stands in its place. May be repeated."),
]


def recreate(
    cluster: Cluster,
    service: Service,
    *,
    snapshot: Snapshot = None,
    count: Count = None,
    from_cluster: FromCluster = None,
    from_region: FromRegion = None,
    map: Names = (),  # noqa: A002  the name of the option
    dry_run: Annotated[bool, Parameter(negative="", help="Show the plan, and ask nobody to approve it.")] = False,
    approve: Annotated[
        str | None, Parameter(help="Approve the plan with this digest, which somebody else has asked for.")
    ] = None,
    reject: Annotated[str | None, Parameter(help="Reject the plan with this digest.")] = None,
    reason: Reason = "",
    actor: Actor = None,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Show what of a service is gone, ask for it to be made again from a snapshot, and approve that."""
    from surefoot import recreation
    from surefoot.client import Surefoot

    if approve is not None and reject is not None:
        raise CannotDo("name one of --approve and --reject", Exit.USAGE)
    requester, place = Requester(actor or user_name(), reason), Place.of(cluster, service, where)
    if approve is not None:
        return recreation.approve(Surefoot(), place, approve, requester, as_json=json)
    if reject is not None:
        return recreation.reject(Surefoot(), place, reject, requester, as_json=json)
    body = {
        "snapshot_id": snapshot,
        "count": count,
        "from_cluster": from_cluster,
        "from_region": from_region,
        "names": names_of(map),
        "dry_run": dry_run,
    }
    return recreation.ask(Surefoot(), place, body, requester, as_json=json)


def names_of(texts: Sequence[str]) -> dict[str, str]:
    """Return what stands for what. Raise ``CannotDo``."""
    pairs = [text.partition("=") for text in texts]
    if any(not old or not new for old, _, new in pairs):
        raise CannotDo("a name is given as OLD=NEW: what is in the snapshot, and what stands for it", Exit.USAGE)
    return {old: new for old, _, new in pairs}
