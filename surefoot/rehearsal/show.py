"""Shows rehearsals: each scenario, its run, and whether it ended as expected."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.suggest import did_you_mean
from sandbox.aws.server.incidents import Impossible
from sandbox.scenarios.load import Unreadable, load, shipped
from sandbox.scenarios.model import Scenario
from services._chassis.telemetry import configure_logs
from services._policy.faults import PolicyFaults
from services._policy.files import Files
from services._policy.read import Unreadable as UnreadablePolicy
from services._policy.read import read_path
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, console, note
from surefoot.progress import Progress
from surefoot.rehearsal.judge import alerts_of, deployments_of, mismatches
from surefoot.rehearsal.rehearse import Rehearsal, policies_of, rehearse
from surefoot.rehearsal.stage import NeverEnds


def rehearse_all(which: Sequence[str], seed: int, policy: Path | None) -> list[dict[str, Any]]:
    """Rehearse each scenario; return the results. Raise ``CannotDo`` before the first if a scenario does not exist."""
    chosen, files = [_found(name) for name in which], _policy(policy)
    configure_logs("error", "rehearsal")
    return [_rehearsed(scenario, seed, files) for scenario in chosen]


def _policy(path: Path | None) -> Files:
    """Read a policy, and refuse it before anything is rehearsed."""
    if path is None:
        return Files()
    try:
        files = read_path(str(path)).files
        policies_of(files)
    except UnreadablePolicy as error:
        raise CannotDo(str(error), Exit.USAGE) from None
    except PolicyFaults as error:
        raise CannotDo("the policy has faults:", Exit.USAGE, map(str, error.faults)) from None
    return files


def _found(which: str) -> Scenario:
    known = shipped()
    if which in known:
        return known[which]
    path = Path(which)
    if not path.exists() and path.suffix not in {".yaml", ".yml"}:
        meant = did_you_mean(which, known)
        raise CannotDo(
            f"there is no scenario {which}{meant or '.'} Use a file, or one of {', '.join(known)}", Exit.USAGE
        )
    return read_scenario(path)


def read_scenario(file: Path) -> Scenario:
    """Read a scenario file. Raise ``CannotDo`` with each fault and its line."""
    try:
        return load(file)
    except Unreadable as error:
        first, *others = str(error).splitlines()
        raise CannotDo(first, Exit.USAGE, others) from error


def _rehearsed(scenario: Scenario, seed: int, policy: Files) -> dict[str, Any]:
    note("")
    note((scenario.name, "bold"), f": {scenario.teaches}")
    try:
        rehearsal = rehearse(scenario, seed=seed, policy=policy)
    except (NeverEnds, Impossible) as error:
        raise CannotDo(f"{scenario.name}: {error}", Exit.FAILED) from error
    with Progress(console) as progress:
        progress.show(rehearsal.run)
    wrong = mismatches(rehearsal, scenario.expect)
    for fault in wrong:
        note((f"  otherwise than expected: {fault}", "red"))
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
