"""``surefoot sandbox``: rehearse deployments on a simulated AWS, under a virtual clock or by hand."""
# ruff: noqa: PLC0415  so that no command waits for the imports of another

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from surefoot.arguments import Speed, positive
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, Json, exports, note, result, show_line

app = App(
    name="sandbox",
    help="Rehearse deployments on a simulated AWS.",
    default_parameter=Parameter(negative_iterable=()),
    help_format="plaintext",
)
for verb, help_ in {
    "happen": "Let something happen to the first service and its surroundings.",
    "harm": "Let AWS have a bad day.",
    "harms": "Show the rules in force, and how many calls each has met.",
    "heal": "End one rule of harm, or all.",
    "calls": "Show AWS's own log of calls.",
}.items():
    app.command(f"surefoot.sandbox_live:{verb}", name=verb, help=help_)


@app.command
def scenarios(*, json: Json = False) -> int:
    """List the scenarios that ship: what each teaches, and how it must end."""
    from sandbox.scenarios.load import shipped

    known = shipped().values()
    facts = [
        {"name": scenario.name, "teaches": scenario.teaches, "outcome": scenario.expect.outcome} for scenario in known
    ]
    result(facts, json, _listed)
    return Exit.SUCCEEDED


@app.command
def check(*files: Annotated[Path, Parameter(help="The files to look at.")], json: Json = False) -> int:
    """Check scenario files; each fault is told with its line."""
    from sandbox.scenarios.load import Unreadable, load

    if not files:
        raise CannotDo("name the files to check", Exit.USAGE)
    checked: list[dict[str, Any]] = []
    for file in files:
        try:
            load(file)
        except Unreadable as error:
            checked.append({"file": str(file), "faults": str(error).splitlines()})
        else:
            checked.append({"file": str(file), "faults": []})
    result(checked, json, _checked)
    return Exit.USAGE if any(entry["faults"] for entry in checked) else Exit.SUCCEEDED


@app.command
def run(
    *which: Annotated[str, Parameter(help="A file, or the name of a scenario that ships.")],
    policy: Annotated[
        Path | None, Parameter(help="A policy file or directory to try: its gates, thresholds and tests hold.")
    ] = None,
    seed: Annotated[int, Parameter(help="Another seed is another course of chance.")] = 0,
    json: Json = False,
) -> int:
    """Rehearse scenarios, one after another: a deployment of minutes takes seconds.

    Gates and thresholds are those of --policy, of the environment and of SUREFOOT_CONFIG. Exit 1 where one ends
    otherwise than its file expects.
    """
    from sandbox.stack import REQUIRED_VARIABLES
    from surefoot.config import check_settings
    from surefoot.rehearsal.show import rehearse_all

    if not which:
        raise CannotDo("name a scenario or a file; `surefoot sandbox scenarios` lists those that ship", Exit.USAGE)
    check_settings(REQUIRED_VARIABLES)
    ended = rehearse_all(which, seed, policy)
    result(ended[0] if len(ended) == 1 else ended, json, _rehearsed)
    return Exit.FAILED if any(ending["faults"] for ending in ended) else Exit.SUCCEEDED


@app.command
def up(
    *,
    speed: Speed = 20.0,
    without_kafka: Annotated[bool, Parameter(negative="", help="Where you bring a Kafka of your own.")] = False,
    session_seconds: Annotated[
        float | None,
        Parameter(validator=positive, help="Credentials of roles last no longer, in seconds of your own."),
    ] = None,
    scenario: Annotated[
        Path | None, Parameter(help="A scenario file: its services, load balancers and images are what stands there.")
    ] = None,
) -> int:
    """Run Kafka, Redis and AWS, without Surefoot, until Ctrl+C; print the environment that points at them.

    AWS has a second account and a second region. A policy that reaches the services in each is written and named. With
    --scenario there is what its file describes instead; what happens in it is up to you, by `happen` and `harm`.
    """
    from dataclasses import replace

    from sandbox.aws.workloads import EVERYWHERE
    from sandbox.child import claim_port
    from sandbox.stack import USUAL_PORTS
    from sandbox.stack import sandbox as running_sandbox
    from sandbox.watch import probes_of, stay
    from surefoot.rehearsal.show import read_scenario
    from surefoot.up import warn

    described = read_scenario(scenario).world.service if scenario is not None else None
    data = Path(".surefoot/sandbox")
    elsewhere = tuple(claim_port(0) for _ in EVERYWHERE[1:]) if described is None else None
    with running_sandbox(
        data, ports=replace(USUAL_PORTS, elsewhere=elsewhere), speed=speed, own_kafka=not without_kafka,
        session_seconds=session_seconds, scenario=scenario,
    ) as environment:  # fmt: skip
        if described is not None:
            environment |= {"CLUSTER_NAME": described.cluster, "SERVICE_NAME": described.service_name}
        exports(environment)
        if elsewhere is not None:
            _write_policy((data / "policy.yaml").absolute(), (USUAL_PORTS.application, *elsewhere))
        note(f"The sandbox runs; its logs are in {data.resolve()}. Ctrl+C ends it.")
        stay(probes_of(environment), warn)
    return Exit.SUCCEEDED


def _write_policy(file: Path, listening: Sequence[int]) -> None:
    """Write a policy that reaches the services of all accounts and regions, whose load balancers listen there."""
    from sandbox.aws.workloads import EVERYWHERE
    from sandbox.child import HOST
    from surefoot.sandbox_policy import policy_of

    urls = {workload: f"http://{HOST}:{port}" for workload, port in zip(EVERYWHERE, listening, strict=True)}
    file.write_text(policy_of(urls))
    show_line(f"# {len(urls)} services, in two accounts and two regions: export SUREFOOT_POLICY={file}")


def _listed(known: list[dict[str, str]]) -> str:
    width = max(len(scenario["name"]) for scenario in known)
    return "\n".join(f"{each['name']:{width}}  {each['outcome']:15}  {each['teaches']}" for each in known)


def _checked(files: list[dict[str, Any]]) -> str:
    return "\n".join("\n".join(each["faults"]) or f"{each['file']}: fine" for each in files)


def _rehearsed(ended: dict[str, Any] | list[dict[str, Any]]) -> str:
    endings = ended if isinstance(ended, list) else [ended]
    return "\n".join(f"{each['scenario']}: {each['outcome']}, {_judged(each['faults'])}" for each in endings)


def _judged(wrong: list[str]) -> str:
    return "otherwise than expected" if wrong else "as expected"
