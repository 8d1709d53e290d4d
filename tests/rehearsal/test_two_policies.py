"""Two services with policies of their own, in two accounts, deployed at the same time in one installation."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.deployment import DeploymentFinished, DeploymentStarted, Outcome
from contracts.envelope import from_message
from contracts.gates import Gate
from contracts.results import StepFinished
from sandbox.aws.workloads import COURT, COURT_SOUTH, PAYMENTS, Workload
from sandbox.scenarios.incident import Incident
from tests.rehearsal.installation import Installation, installed, policy

PATIENT: dict[str, Any] = {
    "rules": {
        "response_time": {"threshold": 30},
        "response_time_warning": "off",
        "cpu": "off",
    },
    "tests": {"response_time_seconds": 30},
    "comparison": {"response_time_factor": "off", "cpu_points": "off"},
}
"""The image ``slow`` answers in six seconds: far too slow by the defaults, and well enough by this."""


pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def installation() -> Iterator[Installation]:
    with installed() as installation:
        yield installation


def policy_with(changes: dict[Workload, dict[str, Any]], defaults: dict[str, Any] | None = None) -> str:
    """Return the policy of all workloads, with what some of them say besides."""
    document = yaml.safe_load(policy())
    for entry in document["services"]:
        for workload, change in changes.items():
            if (entry["account"], entry["region"], entry["cluster"]) == (*workload.place, workload.cluster):
                for key, value in change.items():
                    entry[key] = {**entry.get(key, {}), **value}
    if defaults is not None:
        document["defaults"] = defaults
    text: str = yaml.safe_dump(document, sort_keys=False)
    return text.replace("'off'", "off")


def published(installation: Installation) -> list[Any]:
    return [
        from_message(record.headers, record.value).event
        for topic in installation.system.bus.topics.values()
        for record in topic
    ]


def gates_of(installation: Installation, finished: DeploymentFinished) -> dict[str, Gate]:
    answers = [
        event
        for event in published(installation)
        if isinstance(event, StepFinished) and event.run_id == finished.run_id
    ]
    return {gate.name: gate for answer in answers for gate in answer.gates}


def test_each_is_judged_by_its_own_thresholds(installation: Installation) -> None:
    text = policy_with({PAYMENTS: PATIENT})
    ended = installation.play(text, lambda here: here.deploy(COURT, PAYMENTS, image="slow"))
    assert ended[PAYMENTS].outcome is Outcome.SUCCEEDED, ended[PAYMENTS].reason
    assert ended[COURT].outcome is Outcome.ROLLED_BACK, ended[COURT].reason
    patient = gates_of(installation, ended[PAYMENTS])["response_time_p95"]
    strict = gates_of(installation, ended[COURT])["response_time_p95"]
    assert (patient.threshold, strict.threshold) == (30, 5)
    digests = {event.policy_digest for event in published(installation) if isinstance(event, StepFinished)}
    assert len(digests - {""}) == 1, "each verdict by a threshold names the file that had it"


def test_the_database_of_one_excuses_its_own_run_only(installation: Installation) -> None:
    async def script(here: Installation) -> dict[Workload, DeploymentFinished]:
        async def outage() -> None:
            await here.clock.sleep(110)
            here.aws.happen(Incident(database="away"))  # to the first workload, which is COURT

        async with asyncio.TaskGroup() as group:
            group.create_task(outage())
            court = group.create_task(here.deploy(COURT))
            payments = group.create_task(here.deploy(PAYMENTS, image="slow"))
        return court.result() | payments.result()

    ended = installation.play(policy(), script)
    assert (ended[COURT].outcome, ended[COURT].cause) == (Outcome.FAILED, "dependency"), ended[COURT].reason
    assert COURT.database in ended[COURT].reason
    assert ended[PAYMENTS].outcome is Outcome.ROLLED_BACK, ended[PAYMENTS].reason


def test_a_threshold_changed_in_the_file_holds_without_a_restart(installation: Installation, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    unheld: dict[str, Any] = {"holds": {"versions": "none"}}  # what was rolled back is deployed again
    file.write_text(policy_with({COURT: unheld}))

    async def script(here: Installation) -> tuple[DeploymentFinished, DeploymentFinished, DeploymentFinished]:
        async def changed() -> None:
            await here.clock.sleep(60)
            file.write_text(policy_with({COURT: PATIENT | unheld}))

        async with asyncio.TaskGroup() as group:
            group.create_task(changed())
            under_way = group.create_task(here.deploy(COURT, image="slow"))
        await here.clock.sleep(600)
        after = await here.deploy(COURT, image="slow")
        elsewhere = await here.deploy(COURT_SOUTH, image="slow")
        return under_way.result()[COURT], after[COURT], elsewhere[COURT_SOUTH]

    under_way, after, elsewhere = installation.play_file(file, script)
    assert under_way.outcome is Outcome.ROLLED_BACK, "a run keeps the policy that it began with"
    assert after.outcome is Outcome.SUCCEEDED, after.reason
    assert elsewhere.outcome is Outcome.ROLLED_BACK, "the change is for the one service"
    started = {event.run_id: event for event in published(installation) if isinstance(event, DeploymentStarted)}
    assert started[under_way.run_id].policy_digest != started[after.run_id].policy_digest
    assert started[after.run_id].policy_digest == started[elsewhere.run_id].policy_digest


def test_a_broken_file_leaves_the_last_good_policy_in_force(installation: Installation, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(policy_with({COURT: PATIENT}))

    async def script(here: Installation) -> DeploymentFinished:
        file.write_text("version: 1\nservices: [\n")
        await here.clock.sleep(60)
        return (await here.deploy(COURT, image="slow"))[COURT]

    assert installation.play_file(file, script).outcome is Outcome.SUCCEEDED
