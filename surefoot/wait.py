"""Wait for a run to end."""

import time
from typing import Any

from rich.console import Console

from surefoot.client import Refused, Surefoot
from surefoot.progress import Progress

LOOK_SECONDS = 0.25
PATIENCE_SECONDS = 120.0
"""How long Surefoot may be away while somebody waits: after a crash of Kafka and Redis, too, a start takes its 60 s at
most, and another if it gave up."""


def wait_for(
    api: Surefoot, cluster: str, service: str, run_id: str | None, *, timeout: float | None, console: Console
) -> dict[str, Any]:
    """Show a run's progress until it ends, or ``timeout`` real seconds have passed; return its last state."""
    deadline = None if timeout is None else time.monotonic() + timeout
    seen = time.monotonic()
    run: dict[str, Any] = {}
    with Progress(console) as progress:
        while True:
            try:
                run = api.status(cluster, service, run_id, patience=0)
                seen = time.monotonic()
            except Refused as error:
                if error.status not in {0, 502, 503} or time.monotonic() - seen > PATIENCE_SECONDS:
                    raise
            else:
                run_id = run["run_id"]  # the newest at first, and no other one later
                progress.show(run)
                if run["status"] == "finished":
                    return run
            if deadline is not None and time.monotonic() > deadline:
                return run
            time.sleep(LOOK_SECONDS)
