"""``python -m surefoot.reference`` writes ``docs/cli.md`` from what the commands say of themselves.

The page's first part is written by hand and stays; everything after the marker is written anew.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclopts import App

from contracts.overrides import INDISPENSABLE, OVERRIDABLE
from surefoot.cli import app
from surefoot.exit_codes import MEANING

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
MARKER = "<!-- written by python -m surefoot.reference from here on -->\n"
_S = "CourtCaseCluster BackendService"
_ROLE = "arn:aws:iam::123456789012:role/backend-task"
EXAMPLES = {
    "deploy": f"surefoot deploy {_S} --image $IMAGE:healthy --override health_score='this is the fix'",
    "wait": f"surefoot wait {_S} --timeout 600",
    "status": f"surefoot status {_S} --json",
    "runs": "surefoot runs --outcome rolled_back --since 7d",
    "services": "surefoot services",
    "abort": f"surefoot abort {_S} --reason 'wrong branch'",
    "pause": f"surefoot pause {_S} --minutes 20 --reason 'the database is being moved'",
    "resume": f"surefoot resume {_S}",
    "approve": f"surefoot approve {_S} --reason reviewed",
    "reject": f"surefoot reject {_S} --reason 'not on a Friday'",
    "snapshots": f"surefoot snapshots {_S}",
    "snapshots diff": f"surefoot snapshots diff {_S} 20260112 20260113",
    "why": f"surefoot why {_S}",
    "moved": f"surefoot moved {_S} --since 7d",
    "ready": f"surefoot ready {_S} --to-region eu-south-1 --map subnet-0aaaaaaa=subnet-0bbbbbbb",
    "drift": f"surefoot drift {_S}",
    "rollback": f"surefoot rollback {_S} --latest-proven --dry-run",
    "holds": f"surefoot holds {_S}",
    "release": f"surefoot release {_S} --reason 'the database was at fault'",
    "scale": f"surefoot scale {_S} 5 --minutes 30 --reason 'Emergency scaling due to high load'",
    "migrate": f"surefoot migrate {_S} --command 'alembic upgrade head' --image $IMAGE:healthy --dry-run",
    "recreate": f"surefoot recreate {_S} --from-cluster OldCluster --dry-run",
    "drill": f"surefoot drill {_S} --plan rollback --reason 'before the season'",
    "events": "surefoot events deployment.events.v1 alerts.critical.v1",
    "demo": "surefoot demo --speed 30",
    "up": "surefoot up --port 8080",
    "dead-letters list": "surefoot dead-letters list --group recovery",
    "dead-letters show": "surefoot dead-letters show 3cbb01b4 --value",
    "dead-letters replay": "surefoot dead-letters replay 3cbb01b4 --reason 'recovery is mended' --yes",
    "dead-letters drop": "surefoot dead-letters drop 3cbb01b4 --reason 'sent by mistake'",
    "signing-keys init": "surefoot signing-keys init --directory keys",
    "signing-keys create": "surefoot signing-keys create ci --name team-a --directory keys",
    "signing-keys list": "surefoot signing-keys list --directory keys",
    "signing-keys retire": "surefoot signing-keys retire 9f86d081884c7d65 --directory keys",
    "signing-keys remove": "surefoot signing-keys remove 9f86d081884c7d65 --directory keys",
    "keys create": "surefoot keys create alice --role operator --days 30",
    "keys list": "surefoot keys list",
    "keys revoke": "surefoot keys revoke k3j5m2q7xa",
    "keys forget": "surefoot keys forget k3j5m2q7xa",
    "audit verify": "surefoot audit verify s3://my-records/audit/",
    "audit list": "surefoot audit list --since 7d --refused",
    "acls": "surefoot acls --format kafka-acls",
    "iam": f"surefoot iam --file policy.yaml --task-role {_ROLE} --format cloudformation",
    "policy check": "surefoot policy check policy.yaml",
    "policy show": f"surefoot policy show {_S} --file policy.yaml",
    "policy sign": "surefoot policy sign policy.yaml --key keys/operators/key.pem",
    "policy schema": "surefoot policy schema > policy.schema.json",
    "policy status": "surefoot policy status http://10.0.0.1:8080 http://10.0.0.2:8080",
    "policy reload": "surefoot policy reload http://10.0.0.1:8080 http://10.0.0.2:8080 --reason 'new thresholds'",
    "sandbox scenarios": "surefoot sandbox scenarios",
    "sandbox check": "surefoot sandbox check mine.yaml",
    "sandbox run": "surefoot sandbox run noisy mine.yaml --policy policy.yaml --seed 7",
    "sandbox up": "surefoot sandbox up --without-kafka",
    "sandbox happen": "surefoot sandbox happen --database away",
    "sandbox harm": "surefoot sandbox harm throttle --service ecs --operation DescribeServices --seconds 60",
    "sandbox harms": "surefoot sandbox harms",
    "sandbox heal": "surefoot sandbox heal 1",
    "sandbox calls": "surefoot sandbox calls --changing",
}
"""An example for each command."""


def commands(of: App = app, path: tuple[str, ...] = ()) -> Iterator[tuple[str, App]]:
    """Yield each command with its name, such as ``sandbox run``."""
    below = [name for name in of if not name.startswith("-")]
    if not below or (path and of.default_command is not None):
        yield " ".join(path), of
    for name in below:
        yield from commands(of[name], (*path, name))


def parameters(command: App) -> Iterator[tuple[tuple[str, ...], str, bool, Any]]:
    """Yield each parameter's names, help, whether it is required, and its default (None if it has none)."""
    for argument in command.assemble_argument_collection(parse_docstring=True):
        if argument.names == ("*",):  # its fields follow
            continue
        default = argument.field_info.default
        has_default = not argument.required and default not in (argument.field_info.empty, None, False, (), "")
        names = argument.names if argument.index is None else (argument.names[0].lstrip("-").upper(),)
        yield names, argument.parameter.help or "", bool(argument.required), default if has_default else None


def page(head: str) -> str:
    """Return the whole page; ``head`` is its part by hand."""
    return head + MARKER + "".join(_parts())


def _parts() -> Iterator[str]:
    yield "\n## Exit codes\n\n| exit code | |\n|---|---|\n"
    yield from (f"| {code.value} | {meaning} |\n" for code, meaning in MEANING.items())
    yield "\n## Gates that can be overridden\n\n| gate | asks whether |\n|---|---|\n"
    yield from (f"| `{gate}` | {asks} |\n" for gate, asks in OVERRIDABLE.items())
    yield f"\nNo override stands in for {', '.join(f'`{gate}`' for gate in INDISPENSABLE)}.\n\n## Commands\n"
    for name, command in commands():
        yield f"\n### surefoot {name}\n\n{command.help}\n\n```sh\n{EXAMPLES[name]}\n```\n"
        rows = list(parameters(command))
        if rows:
            yield "\n| | |\n|---|---|\n"
        yield from (_row(*row) for row in rows)


def _row(names: tuple[str, ...], words: str, required: bool, default: Any) -> str:
    default_text = f" Default: `{getattr(default, 'value', default)}`." if default is not None else ""
    must = " Required." if required and names[0].startswith("-") else ""
    return f"| {', '.join(f'`{name}`' for name in names)} | {words}{must}{default_text} |\n"


def main() -> None:
    head = PAGE.read_text().partition(MARKER)[0]
    PAGE.write_text(page(head))
    print(f"{PAGE} is up to date", file=sys.stderr)


if __name__ == "__main__":
    main()
