"""Wait for a run to end."""

import time
from typing import Any

from surefoot.arguments import Place
from surefoot.client import Refused, Surefoot
from surefoot.exit_codes import Exit, exit_of
from surefoot.output import console, note, result
from surefoot.progress import Progress
from surefoot.readable import ended, id_of

LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 300.0
"""Real seconds for which Surefoot may be away while a command waits: after a crash of Kafka and Redis, too, a start
takes its 60 s at most, and on a busy machine several in a row give up. Whoever leaves earlier misses the outcome."""
_AWAY = frozenset({0, 429, 502, 503})
"""Statuses of no answer, of too many questions, of a front door that reaches nobody, and of a service that starts."""


def waited(
    api: Surefoot, place: Place, run_id: str | None, *, timeout: float | None, verbose: bool, as_json: bool
) -> int:
    """Show a run until it ends; return the exit code of its outcome."""
    run = end_of(api, place, run_id, timeout=timeout, verbose=verbose)
    if run.get("status") != "finished":
        return still_going_on(run, place, as_json)
    result(run, as_json, ended)
    return exit_of(run)


def still_going_on(run: dict[str, Any], place: Place, as_json: bool) -> int:
    """Print that the run goes on although the time to wait for it is over."""
    note(_goes_on(place, run.get("run_id", "")))
    result(run, as_json, id_of)
    return Exit.TIMED_OUT


def end_of(
    api: Surefoot, place: Place, run_id: str | None, *, timeout: float | None = None, verbose: bool = False
) -> dict[str, Any]:
    """Show a run's progress until it ends, or ``timeout`` real seconds have passed; return its last state.

    On Ctrl+C it prints how to go on; ``KeyboardInterrupt`` passes through.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    seen = time.monotonic()
    run: dict[str, Any] = {}
    try:
        with Progress(console, verbose=verbose) as progress:
            while True:
                try:
                    run = api.status(place, run_id, patience=0)
                    seen = time.monotonic()
                except Refused as error:
                    if error.status not in _AWAY:
                        raise
                    if time.monotonic() - seen > PATIENCE_SECONDS:
                        raise Refused(f"{error} {_goes_on(place, run_id or '')}", error.status) from error
                else:
                    run_id = run["run_id"]  # from then on the same run, although a newer one may begin
                    progress.show(run)
                    if run["status"] == "finished":
                        return run
                if deadline is not None and time.monotonic() > deadline:
                    return run
                time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        note("")
        note(_goes_on(place, run_id or ""))
        raise


def _goes_on(place: Place, run_id: str) -> str:
    run, named = (f"run {run_id}", f"{place} --run-id {run_id}") if run_id else ("run", str(place))
    return f"The {run} goes on. `surefoot wait {named}` waits for its end, `surefoot abort {named}` stops it."
