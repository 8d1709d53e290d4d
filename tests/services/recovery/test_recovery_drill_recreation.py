"""Drills of making a service again: could every part be made, if all of it were gone? Nothing is made."""

from typing import Any

import httpx2
import pytest

from contracts.drills import DrillFinished, DrillStarted
from services._aws.errors import AwsError
from services.recovery.decisions.drill import goes_first
from services.recovery.decisions.recreate import ask as ask_for
from services.recovery.decisions.recreate import why_not_ask
from services.recovery.domain.readiness import Need
from services.recovery.domain.recreation.recreation import Recreation
from services.recovery.domain.snapshots.snapshot import Snapshot
from tests.services.recovery.deaths import die
from tests.services.recovery.harness import TARGET, Recovery
from tests.services.recovery.recreations import snapshot
from tests.services.recovery.test_recovery_drill import HERE, ask, begun, drilled, recovery

__all__ = ["recovery"]  # a fixture


@pytest.fixture
async def taken(recovery: Recovery) -> Snapshot:
    """A snapshot in the bucket, of a service with everything around it."""
    found = snapshot()
    assert await recovery.snapshots.put(found) is not None
    return found


@pytest.mark.usefixtures("taken")
async def test_it_says_that_all_could_be_made_again_and_makes_nothing(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    dry = (await ask(web, plan="recreate", dry_run=True)).json()
    assert "makes nothing" in dry["sentence"]
    operation = await drilled(recovery, web, plan="recreate")
    assert (operation["result"], operation["rto_seconds"], operation["finding"]) == ("measured", None, "")
    sentence = operation["sentence"]
    assert sentence.startswith("Nothing was made. If all of it were gone, its 17 parts could be made again from the")
    assert "to look and plan took" in sentence
    assert "The account's quotas were not looked at." in sentence
    assert (recovery.infrastructure.made, recovery.ecs.changing) == ([], [])
    [started], [finished] = recovery.published(DrillStarted), recovery.published(DrillFinished)
    assert (started.plan, finished.plan, finished.result) == ("recreate", "recreate", "measured")
    ready = (await web.get(f"/readiness/{HERE}")).json()["plans"][2]
    assert "A drill, 2026-" in ready["sentence"]
    assert ready["drill"]["rto_seconds"] is None


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda it: setattr(it, "missing", (Need("the image backend@sha256:a", there=False),)), "The image backend"),
        (lambda it: it.unread.update({"alarm:busy": AwsError("CloudWatch refused it")}), "Whether the alarm busy is"),
    ],
)
@pytest.mark.usefixtures("taken")
async def test_what_could_not_be_made_is_a_finding(
    recovery: Recovery, web: httpx2.AsyncClient, break_it: Any, says: str
) -> None:
    break_it(recovery.infrastructure)
    operation = await drilled(recovery, web, plan="recreate")
    assert operation["result"] == "failed"
    assert says in operation["sentence"]
    assert operation["finding"].startswith("The plan recreate could not be carried out: ")
    assert recovery.infrastructure.made == []


@pytest.mark.parametrize(
    ("allowed", "says"),
    [
        (True, ""),
        (False, "grant it the rights of `surefoot iam --recreate`"),
        (None, "Whether recovery's role may make them is not known."),
    ],
)
@pytest.mark.usefixtures("taken")
async def test_whether_the_role_may_make_anything_is_told(
    recovery: Recovery, web: httpx2.AsyncClient, allowed: bool | None, says: str
) -> None:
    recovery.infrastructure.allowed = allowed
    sentence = (await drilled(recovery, web, plan="recreate"))["sentence"]
    assert says in sentence
    assert ("role" in sentence) is bool(says)


async def test_without_a_snapshot_nothing_could_be_made(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    operation = await drilled(recovery, web, plan="recreate")
    assert (operation["result"], "There is no snapshot" in operation["finding"]) == ("failed", True)


@pytest.mark.usefixtures("taken")
async def test_whoever_dies_another_goes_on_and_it_ends_once(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    recovery.clock.while_asleep.append(die)
    assert (await ask(web, plan="recreate")).status_code == 202
    await recovery.work()
    await recovery.work()
    assert len(recovery.published(DrillFinished)) == 1


async def test_who_wants_the_service_made_again_ends_a_drill(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await begun(recovery, web)
    before = recovery.protection
    assert before.drill is not None
    assert why_not_ask(before, recovery.now) == ""
    wanted = Recreation(
        recreation_id="recreation:1", snapshot_id="s", plan="0" * 64, makes=(), asked_at=recovery.now,
        until=recovery.now, actor="ann",
    )  # fmt: skip
    decided = goes_first(before, TARGET, "it is gone", recovery.now, lambda after: ask_for(after, TARGET, wanted))
    assert decided.cancel_jobs == (before.drill.drill_id,)
    after = type(before).from_bytes(decided.state)
    assert (after.drill, after.recreation) == (None, wanted)
    assert after.past_drills[-1].result == "stopped"
