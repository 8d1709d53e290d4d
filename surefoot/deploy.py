"""Ask for a deployment, and wait for its end."""

import re
import shlex
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.overrides import why_not_override
from surefoot.arguments import Place, Requester
from surefoot.client import Surefoot
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, fail, note, result
from surefoot.readable import id_of
from surefoot.wait import waited

_FILE = re.compile(r"^(file://|~|\.{0,2}/)|\.(json|ya?ml)$")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the API takes it, checked as far as possible before it is sent."""

    body: dict[str, Any]

    @classmethod
    def of(
        cls,
        image: str | None,
        task_definition: str | None,
        observe: bool,
        overrides: Sequence[str],
        on_conflict: str | None,
        requester: Requester,
        migration: dict[str, Any] | None = None,
    ) -> "Asked":
        """Raise ``CannotDo`` for what cannot be meant."""
        named = {"image": image, "task_definition": task_definition, "observe": observe or None}
        change = {name: value for name, value in named.items() if value is not None}
        if len(change) != 1:
            raise CannotDo("name exactly one of --image, --task-definition and --observe", Exit.USAGE)
        if task_definition is not None and _FILE.search(task_definition):
            form = "yaml" if task_definition.endswith(("yaml", "yml")) else "json"
            path = task_definition.removeprefix("file://")
            raise CannotDo(
                "--task-definition takes one that is registered (FAMILY, FAMILY:REVISION or an ARN), not a file: "
                f"register it with `aws ecs register-task-definition --cli-input-{form} file://{path}`",
                Exit.USAGE,
            )
        body: dict[str, Any] = {**change, "overrides": _overrides(overrides)}
        body |= {} if on_conflict is None else {"on_conflict": on_conflict}
        body |= migration or {}
        body |= {"actor": requester.actor, "reason": requester.reason}
        return cls(body)


def migration_asked(command: str | None, *, compatible: bool, without: bool = False) -> dict[str, Any]:
    """Return what a request's body says of a migration; nothing where the policy decides. Raise ``CannotDo``."""
    if without:
        if command is not None or compatible:
            raise CannotDo("--without-migration and a migration exclude each other", Exit.USAGE)
        return {"without_migration": True}
    if command is None:
        if compatible:
            raise CannotDo("--migration-compatible is said of a migration: name one by --migrate", Exit.USAGE)
        return {}
    return {"migration": {"command": shlex.split(command), "compatible": compatible}}


def _overrides(texts: Sequence[str]) -> list[dict[str, str]]:
    pairs = [text.partition("=") for text in texts]
    for gate, _, reason in pairs:
        if not gate or not reason.strip():
            raise CannotDo("an override is GATE=REASON: which gate may pass, and why", Exit.USAGE)
    if (why_not := why_not_override(gate for gate, _, _ in pairs)) is not None:
        raise CannotDo(why_not.rstrip("."), Exit.USAGE)
    return [{"gate": gate, "reason": reason} for gate, _, reason in pairs]


def deploy(place: Place, asked: Asked, *, wait: bool, timeout: float | None, verbose: bool, as_json: bool) -> int:
    """Ask, and wait. On Ctrl+C, print that the run goes on, and how to wait for it or to end it."""
    api = Surefoot()
    try:
        run_id = api.orchestrate(place, asked.body, key=str(uuid.uuid4()))
    except KeyboardInterrupt:
        return fail(
            f"interrupted before the answer came: `surefoot status {place}` shows whether the deployment was begun",
            Exit.INTERRUPTED,
        )
    if not wait:
        result({"run_id": run_id}, as_json, id_of)
        return Exit.SUCCEEDED
    note(f"run {run_id}")
    return waited(api, place, run_id, timeout=timeout, verbose=verbose, as_json=as_json)
