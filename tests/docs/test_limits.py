"""The table of time limits and bounds in docs/operations.md has the figures of the code."""

from pathlib import Path

from contracts.bounds import MOST_BYTES
from contracts.policy_holds import Approval, Pause
from services._chassis import admission, http_accepting, http_connections, jobs, lanes, rates, read_budget
from services._chassis.http import KEEP_ALIVE_SECONDS
from services._chassis.http_protocol import DEADLINES
from services._chassis.lanes import BY_HAND, REDIS_CONNECTIONS, REQUESTS, WORK
from services._chassis.redis_connection import ANSWER_SECONDS, CONNECT_SECONDS
from services._chassis.redis_pool import WAIT_SECONDS
from services._chassis.settings import Settings
from services.orchestrator.domain import limits
from services.orchestrator.domain.version_hold import MOST_HELD
from services.recovery.api.snapshot import MOST_LISTS

ROOT = Path(__file__).parents[2]
SETTINGS = Settings.model_construct()
THREADS = lanes.THREADS


def rate(kind: rates.Rates) -> tuple[float, float, float]:
    return kind.proven.a_second, kind.address.a_second, kind.strangers.a_second


def at_once(kind: rates.Rates) -> tuple[float, float, float]:
    return kind.proven.burst, kind.address.burst, kind.strangers.burst


def joined(numbers: tuple[float, float, float]) -> str:
    return "; ".join(f"{number:g}" for number in numbers)


def test_the_figures_are_those_of_the_code() -> None:
    page = (ROOT / "docs/operations.md").read_text().partition("## Time limits")[2].partition("\n## ")[0]
    told = (
        f"{DEADLINES.headers:g} s for TLS and headers; kept for {KEEP_ALIVE_SECONDS} s",
        f"{http_connections.MOST_OPEN} open, at most half",
        f"{http_accepting.ACCEPTED_A_SECOND:g} accepted in a second",
        f"| a request's body | {DEADLINES.body:g} s | {MOST_BYTES // 1024} kB |",
        f"does not read | {DEADLINES.unread:g} s |",
        f"{admission.AT_ONCE[REQUESTS]}, and {admission.AT_ONCE[BY_HAND]} that bring a service back",
        f"{joined(rate(rates.ORDINARY))} a second, after a pause {joined(at_once(rates.ORDINARY))} at once",
        f"{rates.PACE.address.a_second:g}; {rates.PACE.strangers.a_second:g} a second, after a pause",
        f"after a pause {rates.PACE.address.burst:g}; {rates.PACE.strangers.burst:g} at once",
        f"held back for {admission.HELD_SECONDS:g} s",
        f"besides: {joined(rate(rates.BY_HAND))} a second",
        f"{MOST_LISTS} read at a time",
        f"{SETTINGS.aws_limits.connect:g} s to connect, `AWS_ANSWER_TIMEOUT` ({SETTINGS.aws_answer_timeout:g} s)",
        f"{THREADS[WORK]} for handlers and jobs, {THREADS[REQUESTS]} for requests, {THREADS[BY_HAND]} for those",
        f"{lanes.MOST_THREADS} for changes and rollbacks | `AWS_TRIES` ({SETTINGS.aws_tries})",
        f"waits for its turn for {read_budget.LONGEST_WAIT:g} s",
        f"for a request {read_budget.LONGEST_WAIT_OF_REQUESTS:g} s",
        f"`AWS_READ_BUDGET` ({SETTINGS.aws_read_budget:g} a second)",
        f"{CONNECT_SECONDS:g} s to connect, {ANSWER_SECONDS:g} s for its answer; {WAIT_SECONDS:g} s for a connection",
        f"{REDIS_CONNECTIONS[WORK]} for handlers and jobs, {REDIS_CONNECTIONS[REQUESTS]} for requests",
        f"{REDIS_CONNECTIONS[BY_HAND]} for those",
        f"`KAFKA_REQUEST_TIMEOUT` ({SETTINGS.kafka_request_timeout:g} s)",
        f"`KAFKA_SESSION_TIMEOUT` ({SETTINGS.kafka_session_timeout:g} s)",
        f"`STALL_TIMEOUT` ({SETTINGS.stall_timeout:g} s)",
        f"`JOB_LEASE` ({SETTINGS.job_lease:g} s)",
        f"`JOB_SLOTS` ({SETTINGS.job_slots}) at a time",
        f"{jobs.ATTEMPTS} attempts",
        f"once they have passed | {limits.CHECKS_HOLD / limits.MINUTE:g} minutes",
        f"whose change is live | {limits.GRACE / limits.MINUTE:g} minutes",
        f"`pause.maximum_minutes` ({Pause().maximum_minutes:g})",
        f"the policy's `minutes` ({Approval().minutes:g})",
        f"`holds.minutes` (none), {MOST_HELD} versions",
    )
    assert [figure for figure in told if figure not in page] == []
