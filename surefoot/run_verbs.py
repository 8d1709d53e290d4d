"""The commands by which people act on a run that goes on: pause, resume, approve, reject."""
# ruff: noqa: PLC0415  so that no command waits for the imports of another

from typing import Annotated, Any

from cyclopts import Parameter

from surefoot.arguments import ANYWHERE, Actor, Cluster, Located, Place, Reason, RunId, Service, positive, user_name
from surefoot.exit_codes import Exit
from surefoot.output import Json

ThisPlan = Annotated[
    str | None,
    Parameter(
        help="Decide on this plan, as `surefoot status --json` shows it under approval. Without it, what waits is "
        "shown, and the terminal asks."
    ),
]
Decided = Annotated[str | None, Parameter(help="Which run; without it the active one is meant.")]


def pause(
    cluster: Cluster,
    service: Service,
    *,
    minutes: Annotated[
        float | None, Parameter(validator=positive, help="How long at most; by default what the policy says.")
    ] = None,
    run_id: RunId = None,
    reason: Reason = "",
    actor: Actor = None,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Begin no further phase of a run for a while. Rollbacks, and the watch over a change that is live, go on."""
    body = {"run_id": run_id, "minutes": minutes, "actor": actor or user_name(), "reason": reason}
    return _done("pause", Place.of(cluster, service, where), body, as_json=json)


def resume(
    cluster: Cluster,
    service: Service,
    *,
    run_id: RunId = None,
    reason: Reason = "",
    actor: Actor = None,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """End a pause, so that the run goes on."""
    body = {"run_id": run_id, "actor": actor or user_name(), "reason": reason}
    return _done("resume", Place.of(cluster, service, where), body, as_json=json)


def approve(
    cluster: Cluster,
    service: Service,
    *,
    plan: ThisPlan = None,
    run_id: Decided = None,
    reason: Reason = "",
    actor: Actor = None,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Approve what a run waits with, and nothing else. One person counts once."""
    return _decided("approve", Place.of(cluster, service, where), plan, run_id, actor, reason, as_json=json)


def reject(
    cluster: Cluster,
    service: Service,
    *,
    plan: ThisPlan = None,
    run_id: Decided = None,
    reason: Reason = "",
    actor: Actor = None,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Reject what a run waits with: it ends, and what it has changed is rolled back."""
    return _decided("reject", Place.of(cluster, service, where), plan, run_id, actor, reason, as_json=json)


def _decided(
    verb: str,
    place: Place,
    plan: str | None,
    run_id: str | None,
    actor: str | None,
    reason: str,
    *,
    as_json: bool,
) -> int:
    from surefoot.decide import shown_plan

    run_id, plan = shown_plan(verb, place, run_id, plan)
    body = {"run_id": run_id, "plan": plan, "actor": actor or user_name(), "reason": reason}
    return _done(verb, place, body, as_json=as_json)


def _done(verb: str, place: Place, body: dict[str, Any], *, as_json: bool) -> int:
    from surefoot.client import Surefoot
    from surefoot.output import result

    answer = Surefoot().act(verb, place, body)
    result(answer, as_json, lambda done: f"{done['run_id']} {done['answer']}")
    return Exit.SUCCEEDED
