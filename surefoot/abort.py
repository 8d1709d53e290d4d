"""Stop a run."""

from surefoot.arguments import Place
from surefoot.client import Surefoot
from surefoot.exit_codes import Exit, exit_of
from surefoot.output import fail, result
from surefoot.readable import ended, id_of
from surefoot.wait import end_of, still_going_on

STOPPED = frozenset({"aborted", "rolled_back", "superseded"})
"""Outcomes of a run that was stopped as it should be."""


def abort(
    place: Place,
    run_id: str | None,
    actor: str,
    reason: str,
    *,
    wait: bool,
    timeout: float | None,
    verbose: bool,
    as_json: bool,
) -> int:
    """Ask for a run's end and wait for it; what has been changed is rolled back first."""
    api = Surefoot()
    done = api.act("abort", place, {"run_id": run_id, "actor": actor, "reason": reason})
    run_id = str(done["run_id"])
    if not wait:
        result({"run_id": run_id, "answer": done.get("answer", "")}, as_json, id_of)
        return Exit.SUCCEEDED
    run = end_of(api, place, run_id, timeout=timeout, verbose=verbose)
    if run.get("status") != "finished":
        return still_going_on(run, place, as_json)
    result(run, as_json, ended)
    if run["outcome"] in STOPPED:
        return Exit.SUCCEEDED
    return exit_of(run) or fail("the run had ended before it could be stopped", Exit.FAILED)
