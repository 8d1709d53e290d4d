"""``surefoot policy``: check a policy, show a service's values, compare and reload those of the replicas."""

import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import httpx2
import orjson
from cyclopts import App, Parameter

from contracts.policy_file import schema as policy_schema
from contracts.prose import prose
from contracts.publish import text_of
from contracts.suggest import did_you_mean
from services._chassis import policy_signatures
from services._chassis.signing_keys import KeyFault, read_private
from services._policy.environment import environment_of
from services._policy.faults import PolicyFaults
from services._policy.files import Files
from services._policy.load import UNKNOWN_ACCOUNT, load
from services._policy.merge import Value
from services._policy.policies import NoTarget, Policies, Refused
from services._policy.read import Unreadable, read_path, signature_path
from surefoot.arguments import Actor, Cluster, Place, Reason, Service, user_name
from surefoot.client import with_advice
from surefoot.config import check_config_file
from surefoot.credential import authorization
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, Json, fail, note, result, show_line
from surefoot.readable import plural
from surefoot.tls import trusted

app = App(
    name="policy",
    help="Check the policy, and show what holds for a service.",
    default_parameter=Parameter(negative_iterable=()),
    help_format="plaintext",
)

TIMEOUT_SECONDS = 5.0
RELOAD_SECONDS = 90.0
"""Seconds for which an answer to a reload is waited for: a replica reads twice, and a file system may hang."""
SETTLE_SECONDS = 20.0
"""Seconds, two polls of a replica, for which replicas may differ after a change."""
_NAMES = ("account", "region", "cluster", "service")
Urls = Annotated[str, Parameter(help="Addresses of the services' replicas; by default SUREFOOT_URL.")]
Account = Annotated[str | None, Parameter(help="Where several accounts have the service.")]
Region = Annotated[str | None, Parameter(help="Where several regions have the service.")]


@app.command
def check(
    path: Annotated[Path, Parameter(help="A policy file, or a directory of them.")], /, *, json: Json = False
) -> int:
    """Check a policy file, or a directory of them: every fault with its line. Exit code 2 if there is any."""
    try:
        policies = loaded(path, {})
    except PolicyFaults as faults:
        listed = [
            {"file": fault.place.file, "line": fault.place.line, "column": fault.place.column}
            | {"path": fault.path, "sentence": fault.sentence}
            for fault in faults.faults
        ]
        lines = [*map(str, faults.faults), plural(len(listed), "fault")]
        result({"faults": listed}, json, lambda _: "\n".join(lines))
        return Exit.USAGE
    services = len(policies.all())
    found = {"digest": policies.digest, "services": services, "faults": []}
    result(found, json, lambda _: f"{policies.digest}  {plural(services, 'service')}")
    return Exit.SUCCEEDED


@app.command
def show(
    cluster: Cluster,
    service: Service,
    *,
    file: Annotated[Path | None, Parameter(help="A policy file or directory; by default SUREFOOT_POLICY's.")] = None,
    account: Account = None,
    region: Region = None,
    json: Json = False,
) -> int:
    """Show each value that holds for a service, and where it comes from."""
    location = file or os.environ.get("SUREFOOT_POLICY")
    if str(location or "").startswith("s3://"):
        raise CannotDo("this looks at files only: download the policy, and name it with --file", Exit.USAGE)
    try:
        policies = loaded(Path(location) if location else None, os.environ)
    except PolicyFaults as faults:
        raise CannotDo("the policy has faults:", Exit.USAGE, map(str, faults.faults)) from None
    try:
        place = Place.of(cluster, service)
        target = policies.find(place.cluster, place.service, account or place.account, region or place.region)
        values = policies.explain(target).values
    except Refused as refusal:
        why = str(refusal).removeprefix(f"{UNKNOWN_ACCOUNT}/")
        raise CannotDo(f"{why}{_meant(policies, place)}", Exit.USAGE) from None
    except NoTarget as refusal:
        raise CannotDo(str(refusal), Exit.USAGE) from None
    except ValueError:
        raise CannotDo("this cannot be the name, account or region of a service in ECS", Exit.USAGE) from None
    if target not in policies.all() and policies.all():
        note(f"{place.cluster}/{place.service} is not listed and has the defaults{_meant(policies, place)}")
    values = {"account": Value(UNKNOWN_ACCOUNT, "asked of STS at the start"), **values}
    ordered = {name: values[name] for name in (*_NAMES, *values)}
    shown = {path: {"value": held.value, "origin": held.origin} for path, held in ordered.items()}
    result({"digest": policies.digest, "values": shown}, json, lambda found: "\n".join(_table(found["values"])))
    return Exit.SUCCEEDED


def _meant(policies: Policies, place: Place) -> str:
    listed = {f"{target.cluster}/{target.service}" for target in policies.all()}
    return did_you_mean(f"{place.cluster}/{place.service}", listed)


@app.command
def sign(
    path: Annotated[Path, Parameter(help="A policy file, or a directory of them.")],
    /,
    *,
    key: Annotated[Path, Parameter(env_var="SUREFOOT_SIGNING_KEY", help="The private key of whoever signs, in PEM.")],
    json: Json = False,
) -> int:
    """Sign a policy: write the file with the signature beside it, or into the directory.

    It is checked first, as by `surefoot policy check`. An installation that sets SUREFOOT_POLICY_SIGNED_BY takes no
    policy over that is not signed so, and none that was signed before the one in force.
    """
    try:
        files = _read(path)
        load(files, environment_of({}), None)
        content = policy_signatures.sign(files, read_private(key), datetime.now(UTC))
    except PolicyFaults as faults:
        raise CannotDo(f"the policy has faults:\n{faults}", Exit.USAGE) from None
    except KeyFault as fault:
        raise CannotDo(str(fault), Exit.USAGE) from None
    written = signature_path(path)
    # a new file in its place: a link that lies there is not followed
    new = written.with_name(f"{written.name}.new")
    new.unlink(missing_ok=True)
    with new.open("x") as file:
        file.write(content)
    new.replace(written)
    result(
        {"signature": str(written), "key": content.partition(":")[0]},
        json,
        "{0[signature]}, by the key {0[key]}".format,
    )
    return Exit.SUCCEEDED


@app.command
def schema() -> int:
    """Print the JSON Schema of policy files, for editors and CI."""
    show_line(text_of(policy_schema()), end="")
    return Exit.SUCCEEDED


@app.command
def status(
    *urls: Urls,
    settle: Annotated[float, Parameter(help="Seconds for which replicas may differ.")] = SETTLE_SECONDS,
    json: Json = False,
) -> int:
    """Ask replicas which policy is in force. Exit code 1 if they differ, or if one does not answer or is at fault."""
    deadline = time.monotonic() + settle
    while True:
        replicas = [_ask(url) for url in _asked(urls)]
        problem = _problem(replicas)
        if not problem or time.monotonic() >= deadline:
            break
        time.sleep(min(1.0, settle))
    return _shown(replicas, problem, json)


@app.command
def reload(
    *urls: Urls,
    reason: Reason = "",
    actor: Actor = None,
    json: Json = False,
) -> int:
    """Have replicas look at the policy now, and wait until it is in force. Exit code 1 unless it is, in all of them.

    Each replica answers with the digest in force, or with what is wrong with the policy. Settings that have changed in
    the settings file are named, and are exit code 1 too: they need a restart.
    """
    body = {"actor": actor or user_name(), "reason": reason}
    with ThreadPoolExecutor(max_workers=32) as threads:
        replicas = list(threads.map(lambda url: _reload(url, body), _asked(urls)))
    return _shown(replicas, _left(replicas), json)


def loaded(path: Path | None, variables: Any) -> Policies:
    """Load a policy as services do, as far as that is possible here. Raise ``PolicyFaults`` or ``CannotDo``."""
    files = _read(path) if path else Files()
    check_config_file(variables)
    return load(files, environment_of(variables), None)


def _read(path: Path) -> Files:
    try:
        return read_path(str(path)).files
    except Unreadable as error:
        raise CannotDo(str(error), Exit.USAGE) from None


def _table(values: dict[str, dict[str, Any]]) -> Iterable[str]:
    """Yield a line for each value: its path, the value, its origin."""
    texts = {path: _text(path, held["value"]) for path, held in values.items()}
    path_width = max(map(len, texts))
    width = max(len(text) for text in texts.values() if len(text) <= 40)
    for path, text in texts.items():
        yield f"{path:{path_width}}  {text:{width}}  {values[path]['origin']}"


def _text(path: str, value: Any) -> str:
    if path == "account" and value == UNKNOWN_ACCOUNT:
        return "that of the credentials"
    if value is None:
        return "not set"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _asked(urls: Sequence[str]) -> list[str]:
    return [url.rstrip("/") for url in urls or (os.environ.get("SUREFOOT_URL") or "http://127.0.0.1:8080",)]


def _ask(url: str) -> dict[str, Any]:
    return _answer(url, "GET", "policy", TIMEOUT_SECONDS)


def _reload(url: str, body: dict[str, str]) -> dict[str, Any]:
    return _answer(url, "POST", "policy/reload", RELOAD_SECONDS, json=body)


def _answer(url: str, method: str, path: str, seconds: float, **given: Any) -> dict[str, Any]:
    """Return what a replica answers, with its address; what goes wrong is its ``fault``."""
    try:
        answer = httpx2.request(
            method, f"{url}/api/v1/{path}", timeout=seconds, verify=trusted(), headers=authorization(), **given
        )
        body = answer.json()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        return {"url": url, "fault": f"does not answer ({type(error).__name__})"}
    if answer.status_code != 200 or not isinstance(body, dict):
        detail = body.get("detail") if isinstance(body, dict) else None
        sentence = prose(str(detail or f"answered {answer.status_code}"))
        return {"url": url, "fault": with_advice(sentence, answer.status_code)}
    return {"url": url, **body}


def _shown(replicas: list[dict[str, Any]], problem: str, as_json: bool) -> int:
    """Print the replicas, and what is wrong with them; return the exit code."""
    result(
        {"replicas": replicas, "problem": problem}, as_json, lambda found: "\n".join(map(_replica, found["replicas"]))
    )
    return fail(problem, Exit.FAILED) if problem else Exit.SUCCEEDED


def _left(replicas: list[dict[str, Any]]) -> str:
    """Return a sentence about what a reload has left undone; empty if nothing is."""
    refused = [replica["url"] for replica in replicas if "digest" not in replica]
    if refused:
        return f"the policy was not taken over at {', '.join(refused)}"
    names = sorted({name for replica in replicas for name in replica["needs_restart"]})
    restart = f"changed settings need a restart: {', '.join(map(str.upper, names))}" if names else ""
    return _problem(replicas) or restart


def _problem(replicas: list[dict[str, Any]]) -> str:
    """Return a sentence about what is wrong with the replicas; empty if nothing is."""
    silent = [replica["url"] for replica in replicas if "digest" not in replica]
    if silent:
        return f"no policy is known of {', '.join(silent)}"
    if len({(replica["digest"], replica["effective_digest"]) for replica in replicas}) > 1:
        return "the replicas have different policies in force"
    faulty = [replica["url"] for replica in replicas if replica["fault"]]
    return f"the policy on disk is not the one in force at {', '.join(faulty)}" if faulty else ""


def _replica(replica: dict[str, Any]) -> str:
    if "digest" not in replica:
        return f"{replica['url']}  {replica['fault']}"
    age = "never" if replica["looked_at_seconds_ago"] is None else f"{replica['looked_at_seconds_ago']:.0f} s ago"
    line = (
        f"{replica['url']}  {replica['digest'][:12] or 'no policy'}  {replica['location'] or '-'}  last looked at {age}"
    )
    return f"{line}\n    {replica['fault']}" if replica["fault"] else line
