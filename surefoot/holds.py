"""The commands about what is held after a rollback: show it, and release it."""
# ruff: noqa: PLC0415  so that no command waits for the imports of another

from collections.abc import Mapping
from json import dumps
from typing import Annotated, Any

from cyclopts import Parameter

from surefoot.arguments import ANYWHERE, Actor, Cluster, Located, Place, Reason, Service, user_name
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, Json, result


def holds(
    cluster: Cluster,
    service: Service,
    *,
    deny: Annotated[
        bool,
        Parameter(
            negative="",
            help="Print an IAM policy that denies deploying what is held, for the role of CI or of the tool that does.",
        ),
    ] = False,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Show what is held after rollbacks, the newest first, and how each hold ends."""
    from surefoot.client import Surefoot

    found = Surefoot().holds(Place.of(cluster, service, where))
    if deny:
        result(deny_policy(found), json, lambda policy: dumps(policy, indent=2))
    else:
        result(found, json, holds_of)
    return Exit.SUCCEEDED


def release(
    cluster: Cluster,
    service: Service,
    *,
    hold: Annotated[
        str, Parameter(help="End this hold alone, as `surefoot holds` names it; without it all of them end.")
    ] = "",
    reason: Reason = "",
    actor: Actor = None,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """End what is held after a rollback, so that it may be deployed again. A deployment has to be asked for anew."""
    from surefoot.client import Surefoot

    body = {"hold_id": hold, "actor": actor or user_name(), "reason": reason}
    result(Surefoot().act("release", Place.of(cluster, service, where), body), json, lambda done: str(done["answer"]))
    return Exit.SUCCEEDED


def holds_of(found: Mapping[str, Any]) -> str:
    """Return two lines for each hold: its name with the images that are held, and why and how it ends."""
    lines = [f"{hold['hold_id']}  {_version(hold['version'])}\n  {hold['sentence']}" for hold in found["holds"]]
    return "\n".join(lines) if lines else "nothing is held"


def deny_policy(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return an IAM policy that denies UpdateService with each held task definition. Raise ``CannotDo`` without any.

    ``ecs:task-definition`` filters UpdateService by the ARN of the task definition (Service Authorization Reference,
    "Actions, resources, and condition keys for Amazon Elastic Container Service"). The same images under another
    revision pass.
    """
    arns = sorted({str(hold["version"]["task_definition"]) for hold in found["holds"]} - {""})
    if not arns:
        raise CannotDo("nothing is held of which the task definition is known", Exit.FAILED)
    account, region, cluster, service = str(found["target"]).split("/")
    partition = arns[0].split(":")[1]
    statement = {
        "Sid": "HeldBySurefoot",
        "Effect": "Deny",
        "Action": "ecs:UpdateService",
        "Resource": f"arn:{partition}:ecs:{region}:{account}:service/{cluster}/{service}",
        "Condition": {"ArnEquals": {"ecs:task-definition": arns}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _version(version: Mapping[str, Any]) -> str:
    images = ", ".join(f"{name} {digest[:19]}" for name, digest in sorted(version["images"].items()))
    return images or str(version["task_definition"]).rpartition("/")[2] or "every version"
