"""Which calls of AWS each verb makes, by the sandbox's log: ``python -m benchmarks.aws_calls`` writes the page in docs.

Each call names the service and the job that make it (``services/_chassis/acting.py``). What people and pipelines do is
played on the sandbox; a test holds the log of other rehearsals against the page.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.denials.cells import Cell
from benchmarks.denials.operations import When
from benchmarks.denials.scalings import exhausted
from benchmarks.pool import in_processes
from benchmarks.recreations import GONE_SECONDS
from contracts.base import Target
from contracts.topics import SERVICES
from sandbox.aws.call_log import Call
from sandbox.aws.server.seed import CLUSTER, SERVICE
from sandbox.scenarios.incident import Incident
from sandbox.scenarios.load import shipped
from sandbox.scenarios.model import Scenario
from services.recovery.api.recreation import RecreateRequest
from surefoot.rehearsal.rehearse import rehearse
from surefoot.rehearsal.stage import Stage
from surefoot.rehearsal.system import InProcessSystem

PAGE = Path("docs/aws-calls.md")
AS_IAM_NAMES_IT = {"monitoring": "cloudwatch"}
"""A service of AWS as signatures name it → as IAM does, where they differ."""
UNASKED = "-"
"""The job of what a service reads in its API, or while it answers a message."""

VERBS: Mapping[str, tuple[str, ...]] = {
    "deploy: the checks before the change": (
        "validator/run-preflight", "monitor/check-alarms", "health/assess", "diagnostics/diagnose",
        "recovery/capture-snapshot",
    ),
    "deploy: the change, and proving it": (
        "recovery/apply-change", "validator/validate-deployment", "monitor/set-up-monitoring", "monitor/watch-closely",
        "health/watch", "optimizer/analyze-resources",
    ),
    "roll back, by hand and by itself": ("recovery/rollback",),
    "an alert outside a run": ("recovery/consider-alert",),
    "watch, all the time": ("monitor/collect", "health/check", "monitor/show-policy"),
    "scale, by hand and by itself": ("recovery/look-exhausted", "recovery/raise-again", "recovery/scale"),
    "the end of a scaling": ("recovery/unscale",),
    "migrate": ("recovery/check-migration", "recovery/migrate"),
    "drill": ("recovery/drill", "recovery/due-drills"),
    "recreate": ("recovery/recreate",),
    "ready and drift, once an hour": ("recovery/watch-ways-back",),
    "who has moved it, every five minutes": ("recovery/look-moves",),
    "snapshots: old ones go": ("recovery/tend-snapshots", "recovery/purge-snapshots"),
    "what is asked over HTTP, and what messages bring": tuple(f"{service}/{UNASKED}" for service in SERVICES),
}  # fmt: skip
"""What a person, a pipeline or Surefoot itself does → the jobs that do it, as ``service/job``."""

DRILLED = {"drills": {"enabled": True, "hours": "00-24", "days": ["mon", "tue"]}}
FOUND_BY_NAME: Mapping[str, Any] = {
    "service": {
        "service_registries": [{"namespace": "court.internal", "service": "backend"}],
        "service_connect_configuration": {"namespace": "internal", "services": [{"port_name": "backend"}]},
    },
    "namespaces": [
        {"name": "court.internal", "services": [{"name": "backend"}]},
        {"name": "internal", "type": "HTTP"},
    ],
}
OTHERS: Mapping[str, Mapping[str, Any]] = {
    "drilled": {
        "change": "check_up",
        "policy": {"version": 1, "defaults": DRILLED},
        "drills": [{"at": 60, "plan": "rollback"}, {"at": 400, "plan": "scaling"}, {"at": 800, "plan": "recreate"}],
        "expect": {"outcome": "succeeded", "watch": 900, "ready": True},
    },
    "moved": {
        "world": {"happenings": [{"at": 250, "deploys": "moved"}, {"at": 300, "scale_to": 2}]},
        "expect": {"outcome": "succeeded", "watch": 1500},
    },
    "recreated": {"world": FOUND_BY_NAME, "expect": {"outcome": "succeeded", "watch": 60}},
}
"""Name → what else is played: besides deployments, a scaling and migrations."""


def scenarios() -> Mapping[str, Scenario]:
    """Return what is played, by name."""
    names = (
        "healthy", "crash-loop", "migrates", "drift", "somebody-else", "late-decline", "wrong-architecture",
        "moved-by-others",
    )  # fmt: skip
    made = {
        name: Scenario.model_validate({"name": name, "teaches": f"{name}.", **what}) for name, what in OTHERS.items()
    }
    alarms = Cell("monitoring:DescribeAlarms", "none", When.ALWAYS, "users-only").scenario
    return {name: shipped()[name] for name in names} | made | {"alarms": alarms, "exhausted": exhausted()}


def played(name: str) -> frozenset[tuple[str, str]]:
    """Play a scenario; return ``service/job`` and ``api:Operation`` of each call that Surefoot made."""
    scenario, seen = scenarios()[name], list[Call]()

    async def look(stage: Stage, system: InProcessSystem) -> None:
        if name == "recreated":
            await _delete_and_recreate(stage, system)
        seen.extend(stage.aws.calls.calls())

    rehearse(scenario, seed=1, look=look)
    return frozenset(filter(None, map(made_by, seen)))


def made_by(call: Call) -> tuple[str, str] | None:
    """Return ``service/job`` and ``api:Operation`` of a call; None where it is not one of the seven's."""
    _, found, agent = call.user_agent.rpartition(" surefoot/")
    service, job, *_ = (*agent.split("/"), "", "")
    if not found or service not in SERVICES:
        return None
    return f"{service}/{job}", f"{AS_IAM_NAMES_IT.get(call.service, call.service)}:{call.operation}"


async def _delete_and_recreate(stage: Stage, system: InProcessSystem) -> None:
    """Delete the service and all that is its own, and have it made again."""
    place = stage.aws.world.workload.place
    target = Target(account=place.account, region=place.region, cluster=CLUSTER, service=SERVICE)
    stage.aws.happen(Incident(deletes="everything"))
    await stage.clock.sleep(GONE_SECONDS)
    await system.recreate(target, RecreateRequest(actor="ann"), "ben")
    await stage.clock.sleep(900)


def page(calls: Iterable[tuple[str, str]]) -> str:
    """Return the page. Raise ``ValueError`` for a job that belongs to no verb."""
    of_job: dict[str, set[str]] = defaultdict(set)
    for job, operation in calls:
        of_job[job].add(operation)
    if unknown := of_job.keys() - {job for jobs in VERBS.values() for job in jobs}:
        raise ValueError(f"no verb has the job {', '.join(sorted(unknown))}: add it to VERBS")
    lines = [
        f"| {verb} | `{job}` | {', '.join(f'`{operation}`' for operation in sorted(of_job[job]))} |"
        for verb, jobs in VERBS.items()
        for job in jobs
        if job in of_job
    ]
    return "\n".join((HEAD, *lines, ""))


def calls_on(text: str) -> dict[str, set[str]]:
    """Return what a page says: ``service/job`` → the operations that it calls."""
    rows = (line.split(" | ") for line in text.splitlines() if line.startswith("| ") and " | `" in line)
    return {job.strip("`"): set(calls.removesuffix(" |").replace("`", "").split(", ")) for _, job, calls in rows}


HEAD = """\
# What Surefoot calls at AWS, verb by verb

From the log of the sandbox, in which each call names the service and the job that make it: `python -m
benchmarks.aws_calls` plays deployments, rollbacks, a scaling, a migration, drills, a service that is made again, and
looks for ways back and drift, and writes this page. A test holds the logs of other rehearsals against it
(`tests/security/test_aws_roles.py`). AWS's own log, CloudTrail, has the same at the end of `userAgent`: surefoot, the
service, the job, its id and its fence. What the role of each service must allow, with resources and conditions, prints
[`surefoot iam`](aws-roles.md); that holds rare calls besides, which these rehearsals do not need.

| what is done | service and job | calls |
|---|---|---|"""


def main() -> int:
    """Play everything, and write the page."""
    calls = {call for found in in_processes(played, list(scenarios()), 2) for call in found}
    PAGE.write_text(page(calls))
    print(f"{PAGE}: {len(calls)} calls of {len({job for job, _ in calls})} jobs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
