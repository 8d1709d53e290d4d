"""``surefoot sandbox happen | harm | harms | heal | calls``: at a simulated AWS that runs (``AWS_ENDPOINT_URL``)."""

import os
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx2
from cyclopts import Parameter

from sandbox.aws.accounts import HOME, Place
from sandbox.scenarios.harm import Kind
from sandbox.scenarios.incident import Incident
from surefoot.arguments import not_negative, positive, share_of_all
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, Json, result

TIMEOUT_SECONDS = 10.0


def happen(
    *,
    what: Annotated[Incident | None, Parameter(name="*")] = None,
    account: Annotated[str, Parameter(help="To its service instead of the first account's.")] = "",
    region: Annotated[str, Parameter(help="To the service there instead of the first region's.")] = "",
    json: Json = False,
) -> int:
    """Let something happen to the first service and its surroundings; what is not named stays as it is."""
    if what is None:
        raise CannotDo(f"name what is to happen: {', '.join(Incident.model_fields)}", Exit.USAGE)
    where = {name: value for name, value in (("account", account), ("region", region)) if value}
    report = _ask("POST", "happenings", what.model_dump(exclude_defaults=True) | where)
    result(report, json, _happened)
    return Exit.SUCCEEDED


def harm(
    kind: Annotated[Kind, Parameter(help="What happens to the calls.")],
    *,
    service: Annotated[str, Parameter(help="As the signature names it: ecs, s3, monitoring, ecr …")] = "",
    operation: Annotated[str, Parameter(help="UpdateService, for instance.")] = "",
    agent: Annotated[str, Parameter(help="A part of the caller's User-Agent: surefoot/recovery.")] = "",
    caller: Annotated[str, Parameter(help="A part of the caller's ARN: assumed-role/surefoot-recovery.")] = "",
    resource: Annotated[str, Parameter(help="A part of the resource's name.")] = "",
    account: Annotated[str, Parameter(help="The account in which the call acts.")] = "",
    calls: Annotated[int | None, Parameter(validator=positive, help="Ends after so many calls.")] = None,
    seconds: Annotated[
        float | None, Parameter(validator=positive, help="Ends after so many seconds of your own.")
    ] = None,
    share: Annotated[
        float, Parameter(validator=share_of_all, help="Which share of the calls that it meets, at most 1.")
    ] = 1.0,
    delay: Annotated[float, Parameter(validator=not_negative, help="Seconds, for slow, slow-after and stale.")] = 1.0,
    omits: Annotated[tuple[str, ...], Parameter(negative_iterable=(), help="Fields that are missing, for omit.")] = (),
    json: Json = False,
) -> int:
    """Let AWS have a bad day; what is not named holds for all. It lasts until it is healed, unless bounded."""
    rule = {
        "kind": kind, "service": service, "operation": operation, "agent": agent, "caller": caller,
        "resource": resource, "account": account, "calls": calls, "seconds": seconds, "share": share, "delay": delay,
        "omits": omits,
    }  # fmt: skip
    report = _ask("POST", "harm", rule)
    result(report, json, lambda made: f"rule {made['id']}: `surefoot sandbox heal {made['id']}` ends it")
    return Exit.SUCCEEDED


def heal(
    rule: Annotated[int | None, Parameter(help="Its number; without it all of them end.")] = None, *, json: Json = False
) -> int:
    """End one rule of harm, or all; show how many calls each has met."""
    report = _ask("DELETE", "harm" if rule is None else f"harm/{rule}")
    result(report, json, lambda done: "\n".join(map(_rule, done["ended"])) or "no rule was in force")
    return Exit.SUCCEEDED


def harms(*, json: Json = False) -> int:
    """Show the rules in force, and how many calls each has met."""
    found = _ask("GET", "harm")
    result(found, json, lambda rules: "\n".join(map(_rule, rules)) or "no rule is in force")
    return Exit.SUCCEEDED


def _happened(report: dict[str, Any]) -> str:
    return "it has happened: " + ", ".join(f"{name} {value}" for name, value in report.items())


def _rule(rule: dict[str, Any]) -> str:
    rest = " ".join(f"{name}={value}" for name, value in rule.items() if name not in {"id", "done", "kind"})
    return f"rule {rule['id']}: {rule['kind']} {rest}".rstrip() + f": {rule['done']} calls met"


def calls(
    *,
    changing: Annotated[bool, Parameter(negative="", help="Those alone that change something.")] = False,
    after: Annotated[int, Parameter(validator=not_negative, help="Those behind this number.")] = 0,
    json: Json = False,
) -> int:
    """Show AWS's own log of calls: caller, operation, resource and effect of each."""
    found = _ask("GET", f"calls?after={after}" + ("&changing=1" if changing else ""))
    result(found, json, lambda log: "\n".join(map(_line, log)) or "no calls")
    return Exit.SUCCEEDED


def _line(call: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(call["time"], UTC).strftime("%H:%M:%S")
    caller_name = call["caller"].rpartition(":")[2]
    caller = next((word for word in call["user_agent"].split() if word.startswith("surefoot/")), caller_name)
    what = f"{call['number']:>6} {at} {call['status']} {call['service']} {call['operation']} {call['resource']}"
    place = Place(call["account"], call["region"])
    where = "" if place == HOME else f"in {place.account}/{place.region}"
    return " ".join(filter(None, (what, where, f"by {caller}", call["effect"] and f"→ {call['effect']}")))


def _ask(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if not endpoint:
        raise CannotDo("AWS_ENDPOINT_URL names no sandbox: run `surefoot sandbox up` or `surefoot up`", Exit.USAGE)
    url = f"{endpoint.rstrip('/')}/_sandbox/{path}"
    try:
        answer = httpx2.request(method, url, json=body, timeout=TIMEOUT_SECONDS)
        content = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise CannotDo(f"no sandbox answers at {endpoint} ({type(error).__name__})", Exit.FAILED) from error
    if answer.status_code >= 400:
        raise CannotDo(str(content.get("message", f"the sandbox answered {answer.status_code}")), Exit.USAGE)
    return content
