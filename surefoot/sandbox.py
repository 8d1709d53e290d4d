"""``surefoot sandbox``: rehearse deployments on a simulated AWS, under a virtual clock or by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.markup import escape

from sandbox.aws.server.incidents import Impossible
from sandbox.aws.workloads import EVERYWHERE
from sandbox.child import HOST, claim_port
from sandbox.scenarios.load import Unreadable, load, shipped
from sandbox.scenarios.model import Scenario
from sandbox.stack import USUAL_PORTS
from sandbox.stack import sandbox as running_sandbox
from services._chassis.telemetry import configure_logs
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, Json, console, exports, result
from surefoot.progress import Progress
from surefoot.rehearsal.judge import alerts_of, deployments_of, faults
from surefoot.rehearsal.rehearse import NeverEnds, Rehearsal, rehearse
from surefoot.sandbox_live import calls, happen, harm, harms, heal
from surefoot.sandbox_policy import policy_of
from surefoot.up import pause

app = App(name="sandbox", help="Rehearse deployments on a simulated AWS.")
for verb in (happen, harm, harms, heal, calls):
    app.command(verb)

Which = Annotated[str, Parameter(help="A file, or the name of a scenario that ships.")]


@app.command
def scenarios(*, json: Json = False) -> int:
    """List the scenarios that ship: what each teaches, and how it must end."""
    known = shipped().values()
    width = max(len(one.name) for one in known)
    lines = (f"{one.name:{width}}  {one.expect.outcome:15}  {one.teaches}" for one in known)
    result([_facts(one) for one in known], json, "\n".join(lines))
    return Exit.SUCCEEDED


@app.command
def check(*files: Path, json: Json = False) -> int:
    """Check scenario files; each fault is told with its line."""
    if not files:
        raise CannotDo("name the files to check", Exit.USAGE)
    told: list[dict[str, Any]] = []
    for file in files:
        try:
            load(file)
        except Unreadable as error:
            told.append({"file": str(file), "faults": str(error).splitlines()})
        else:
            told.append({"file": str(file), "faults": []})
    result(told, json, "\n".join("\n".join(one["faults"]) or f"{one['file']}: fine" for one in told))
    return Exit.USAGE if any(one["faults"] for one in told) else Exit.SUCCEEDED


@app.command
def run(*which: Which, seed: int = 0, json: Json = False) -> int:
    """Rehearse scenarios, one after another: a deployment of minutes takes seconds.

    Gates and thresholds are those of the environment and of SUREFOOT_CONFIG. Exit 1 where one ends otherwise than
    its file expects.
    """
    if not which:
        raise CannotDo("name a scenario or a file; `surefoot sandbox scenarios` lists those that ship", Exit.USAGE)
    chosen = [_found(one) for one in which]
    configure_logs("error", "rehearsal")
    told = [_rehearsed(one, seed) for one in chosen]
    text = "\n".join(f"{one['scenario']}: {one['outcome']}, {_judged(one['faults'])}" for one in told)
    result(told[0] if len(told) == 1 else told, json, text)
    return Exit.FAILED if any(one["faults"] for one in told) else Exit.SUCCEEDED


@app.command
def up(
    *,
    speed: float = 20.0,
    without_kafka: Annotated[bool, Parameter(negative="")] = False,
    session_seconds: Annotated[
        float | None, Parameter(help="Credentials of roles last no longer, in seconds of your own.")
    ] = None,
) -> int:
    """Run Kafka, Redis and AWS, without Surefoot, until Ctrl+C; print the environment that points at them.

    AWS has a second account and a second region. A policy that reaches the services in each is written and named.
    """
    data = Path(".surefoot/sandbox")
    elsewhere = tuple(claim_port(0) for _ in EVERYWHERE[1:])
    with running_sandbox(
        data, ports=replace(USUAL_PORTS, elsewhere=elsewhere), speed=speed,
        own_kafka=not without_kafka, session_seconds=session_seconds,
    ) as environment:  # fmt: skip
        exports(environment)
        ports = (USUAL_PORTS.application, *elsewhere)
        urls = {workload: f"http://{HOST}:{port}" for workload, port in zip(EVERYWHERE, ports, strict=True)}
        policy = (data / "policy.yaml").absolute()
        policy.write_text(policy_of(urls))
        print(f"# {len(urls)} services, in two accounts and two regions: export SUREFOOT_POLICY={policy}", flush=True)
        console.print("The sandbox runs; Ctrl+C ends it.", highlight=False)
        pause()
    return Exit.SUCCEEDED


def _found(which: str) -> Scenario:
    known = shipped()
    if which in known:
        return known[which]
    path = Path(which)
    if not path.exists() and path.suffix not in {".yaml", ".yml"}:
        raise CannotDo(f"there is no scenario {which}: use a file, or one of {', '.join(known)}", Exit.USAGE)
    return _read(path)


def _read(file: Path) -> Scenario:
    try:
        return load(file)
    except Unreadable as error:
        raise CannotDo(str(error), Exit.USAGE) from error


def _rehearsed(scenario: Scenario, seed: int) -> dict[str, Any]:
    console.print(f"\n[bold]{scenario.name}[/bold]: {escape(scenario.teaches)}", highlight=False, soft_wrap=True)
    try:
        rehearsal = rehearse(scenario, seed=seed)
    except (NeverEnds, Impossible) as error:
        raise CannotDo(f"{scenario.name}: {error}", Exit.FAILED) from error
    with Progress(console) as progress:
        progress.show(rehearsal.run)
    wrong = faults(rehearsal, scenario.expect)
    for fault in wrong:
        console.print(f"  otherwise than expected: {fault}", style="red", highlight=False, markup=False, soft_wrap=True)
    return _report(scenario, rehearsal, wrong)


def _report(scenario: Scenario, rehearsal: Rehearsal, wrong: list[str]) -> dict[str, Any]:
    return {
        "scenario": scenario.name,
        "outcome": rehearsal.finished.outcome,
        "cause": rehearsal.finished.cause,
        "reason": rehearsal.finished.reason,
        "seconds": round(rehearsal.seconds, 1),
        "deployments": deployments_of(rehearsal),
        "critical_alerts": sorted(alerts_of(rehearsal)),
        "faults": wrong,
    }


def _judged(wrong: list[str]) -> str:
    return "otherwise than expected" if wrong else "as expected"


def _facts(scenario: Scenario) -> dict[str, Any]:
    return {"name": scenario.name, "teaches": scenario.teaches, "outcome": scenario.expect.outcome}
