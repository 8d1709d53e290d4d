"""After a rollback it is told which infrastructure tool would bring in again what was taken back, if that is known."""

from dataclasses import replace
from typing import Any

import httpx2
import pytest

from contracts.moves import ServiceMoved
from contracts.recovery import KnownVersion, RollbackFinished
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services.recovery.domain.moves.facts import Deployed
from services.recovery.domain.moves.move import Move
from services.recovery.domain.moves.mover import By, Mover, Sure
from services.recovery.domain.moves.remembered import Change, Moves, moves_key
from services.recovery.domain.moves.still_named import by_stacks, sentence_of, still_naming, tool_of
from services.recovery.domain.moves.trail import Trail, TrailCall
from services.recovery.domain.snapshots.known_version import Versions
from services.recovery.jobs.look_moves import EVERY_SECONDS, LookMovesJob
from tests.kit import FakeRunning
from tests.services.recovery.harness import ARN, BAD, OTHER, TARGET, Recovery
from tests.services.recovery.test_recovery_outside import alert, deploys, hears, succeeded
from tests.services.recovery.web import client_of

HERE = f"{TARGET.cluster}/{TARGET.service}"
IN_STACK = [{"key": "aws:cloudformation:stack-name", "value": "web"}]
TERRAFORM = Mover(By.TOOL, "Terraform as arn:aws:sts::123456789012:assumed-role/terraform/apply")
AGENT = "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 terraform-provider-aws/5.80.0"


def moved(after: str, at: float, mover: Mover = TERRAFORM, before: str = "backend:1") -> Move:
    return Move("version", at, before, after, mover)


@pytest.mark.parametrize(
    ("who", "by", "tool"),
    [
        ("Terraform as arn:x", By.TOOL, "Terraform"),
        ("CloudFormation (of the CDK) as arn:x", By.TOOL, "CloudFormation (of the CDK)"),
        ("the AWS CDK as arn:x", By.TOOL, "the AWS CDK"),
        ("GitHub Actions as arn:x", By.TOOL, ""),
        ("a program as arn:terraform", By.TOOL, ""),
        ("arn:aws:iam::1:user/Terraform in the console", By.PERSON, ""),
        ("", By.UNKNOWN, ""),
    ],
)
def test_only_an_infrastructure_tool_names_a_version_in_its_code(who: str, by: By, tool: str) -> None:
    assert tool_of(Mover(by, who)) == tool


def test_what_a_tool_has_brought_in_last_is_what_it_names() -> None:
    taken = {"backend:2": "backend:1"}
    assert still_naming([moved("backend:2", 10)], taken, "backend:1") == moved("backend:2", 10)
    assert still_naming([moved("backend:2", 10), moved("backend:3", 20)], taken, "backend:1") is None
    assert still_naming([moved("backend:3", 5), moved("backend:2", 10)], taken, "backend:1") is not None
    assert still_naming([moved("backend:2", 10)], taken, "backend:2") is None, "it is live again"
    assert still_naming([moved("backend:2", 10)], {}, "backend:1") is None, "nothing was taken back"
    pulumi = Mover(By.TOOL, "Pulumi as arn:x")
    assert still_naming([moved("backend:2", 10), moved("backend:3", 20, pulumi)], taken, "backend:3") is not None


def test_the_sentence_names_the_tool_what_it_says_and_what_to_do() -> None:
    assert sentence_of(moved("backend:2", 10), "backend:1") == (
        "Terraform has deployed backend:2, which was taken back, and still names it as far as is known: its next apply "
        "brings it in again. Put the image of backend:1 into its code before that."
    )
    likely = Mover(By.TOOL, "the AWS CDK as arn:x", Sure.LIKELY)
    assert sentence_of(moved("backend:2", 10, likely), "backend:1").startswith(
        "The AWS CDK has deployed backend:2, as it seems, which was taken back"
    )


@pytest.mark.parametrize(
    ("service", "taken", "back", "says"),
    [
        ("web", "web", "web", "The stack web of CloudFormation has made backend:2 and still names it"),
        ("", "web", "", "The stack web of CloudFormation has made backend:2 and still names it"),
        ("web", "", "web", ""),  # what runs now is what the stack has made, and nothing else of it is known
        ("web", "", "", "which one it names is not known here"),
        ("", "", "", ""),
    ],
)
def test_a_stack_names_what_it_has_made(service: str, taken: str, back: str, says: str) -> None:
    versions = Versions(
        KnownVersion(task_definition=f"{ARN}:2", stack=taken), KnownVersion(task_definition=f"{ARN}:1", stack=back)
    )
    sentence = by_stacks(service, versions)
    assert says in sentence
    assert bool(sentence) == bool(says)
    assert not by_stacks(service, replace(versions, taken_back=None))


async def known(recovery: Recovery, move: Move) -> None:
    """Have a look remember this move."""
    change = Change.found(move, moment(move.at))
    recovery.store.states[moves_key(TARGET)] = Moves(changes=(change,)).to_bytes()


async def in_a_run(recovery: Recovery) -> RollbackFinished:
    await recovery.deployed()
    return await recovery.rolled_back()


async def by_hand(recovery: Recovery, **definition: Any) -> RollbackFinished:
    snapshot = await recovery.snapshot()
    recovery.clock.time += 3600
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(BAD, **definition))
    async with client_of(recovery) as web:
        asked = await web.post(f"/rollback/{HERE}", json={"snapshot_id": snapshot})
        assert asked.status_code == httpx2.codes.ACCEPTED
        await recovery.work()
    [finished] = recovery.published(RollbackFinished)
    return finished


async def test_where_nothing_is_known_of_a_tool_nothing_is_said() -> None:
    assert (await in_a_run(Recovery())).detail.endswith("3 healthy behind the load balancer.")
    assert (await by_hand(Recovery())).detail.endswith("3 healthy behind the load balancer.")


async def test_a_run_that_goes_back_names_the_stack_of_the_service() -> None:
    recovery = Recovery()
    recovery.ecs.settings["tags"] = IN_STACK
    finished = await in_a_run(recovery)
    assert "The service belongs to the stack web of CloudFormation" in finished.detail
    assert "Put the image of backend:1 into it" in finished.detail
    answer = recovery.answer("command")
    assert answer is not None
    assert finished.detail in answer.summary


async def test_nothing_is_said_of_a_stack_that_has_made_what_runs_now() -> None:
    recovery = Recovery()
    recovery.ecs.settings["tags"] = recovery.ecs.definitions[0]["tags"] = IN_STACK
    assert "CloudFormation" not in (await in_a_run(recovery)).detail


async def test_by_hand_the_stack_that_has_made_what_was_taken_back_is_named() -> None:
    recovery = Recovery()
    recovery.ecs.settings["tags"] = recovery.ecs.definitions[0]["tags"] = IN_STACK
    finished = await by_hand(recovery, tags=IN_STACK)
    assert "The stack web of CloudFormation has made backend:2 and still names it" in finished.detail
    assert finished.taken_back is not None
    assert finished.taken_back.stack == "web"
    [past] = recovery.protection.past
    assert (past.taken_back, past.brought_back) == (f"{ARN}:2", f"{ARN}:1")
    assert past.ended_at is not None


async def test_outside_a_run_it_is_named_as_well() -> None:
    recovery = Recovery()
    await succeeded(recovery)
    recovery.ecs.settings["tags"] = IN_STACK
    recovery.clock.time += 5400
    deploys(recovery)
    recovery.ecs.definitions[-1]["tags"] = IN_STACK
    recovery.clock.time += 1200
    await hears(recovery, alert(recovery))
    [finished] = recovery.published(RollbackFinished)
    assert "The stack web of CloudFormation has made backend:3 and still names it" in finished.detail


async def test_a_mover_that_is_known_by_then_is_named_at_once() -> None:
    recovery = Recovery()
    await recovery.deployed()
    await known(recovery, moved("backend:2", recovery.clock.now()))
    finished = await recovery.rolled_back()
    assert "Terraform has deployed backend:2, which was taken back" in finished.detail


async def test_moves_of_a_newer_version_keep_no_rollback_from_its_end() -> None:
    recovery = Recovery()
    await recovery.deployed()
    recovery.store.states[moves_key(TARGET)] = b'{"schema_version": 99}'
    assert (await recovery.rolled_back()).result == "restored"


async def test_where_the_tags_of_what_was_taken_back_cannot_be_read_only_the_service_s_are_told() -> None:
    recovery = Recovery()
    recovery.ecs.settings["tags"] = IN_STACK
    await recovery.deployed()
    recovery.ecs.refusing["task_definition"] = AwsError("denied", code="AccessDeniedException")
    finished = await recovery.rolled_back()
    assert finished.result == "restored"
    assert "which one it names is not known here" in finished.detail


class Looking:
    """Recovery's looks at the moves of the service, five minutes apart."""

    def __init__(self, recovery: Recovery) -> None:
        self.recovery, self.trace = recovery, recovery.trace
        self.movers: Any = self.trace.movers
        self.job = LookMovesJob(self.trace, recovery.ecs, self, recovery.store, recovery.clock, recovery.policies)  # type: ignore[arg-type]

    async def targets(self) -> list[Any]:
        return [TARGET]

    async def look(self, after: float = EVERY_SECONDS) -> list[ServiceMoved]:
        """Look, and return what is told of tools that name what was taken back."""
        self.recovery.clock.time += after
        before = len(self.recovery.store.emitted)
        await self.job(FakeRunning(b"", "look", "look-moves", 1, 1, b""))
        events = [emission.event for emission in self.recovery.store.emitted[before:]]
        return [event for event in events if isinstance(event, ServiceMoved) and event.still_named]

    def deployed(self, *versions: str, at: float) -> None:
        """Have ECS and CloudTrail tell that Terraform has deployed these, a minute apart."""
        times = [at + 60 * number for number in range(len(versions))]
        self.movers.deployments = [
            Deployed(time, version, source=f"{ARN}:1") for version, time in zip(versions, times, strict=True)
        ]
        self.movers.told = Trail(
            tuple(
                TrailCall(f"e-{time}", time, "UpdateService", TARGET.cluster, TARGET.service, "arn:x", AGENT,
                          task_definition=version)
                for version, time in zip(versions, times, strict=True)
            )
        )  # fmt: skip


async def test_a_mover_that_cloudtrail_tells_later_is_told_until_the_tool_names_another_version() -> None:
    recovery = Recovery()
    looking = Looking(recovery)
    await by_hand(recovery)
    at = recovery.clock.now() - 120
    assert await looking.look() == [], "CloudTrail does not tell it yet"
    looking.deployed(f"{ARN}:2", at=at)
    [told] = await looking.look()
    assert (told.what, told.after, told.by, told.over, told.lowered) == ("version", "backend:2", "tool", False, False)
    assert told.still_named.startswith("Terraform has deployed backend:2, which was taken back")
    assert await looking.look() == [], "it is told once"
    found = await looking.trace.traced(TARGET, recovery.clock.now() - 7200)
    assert found is not None
    assert found.named == told.still_named
    looking.deployed(f"{ARN}:2", f"{ARN}:3", at=recovery.clock.now() + 120)
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(OTHER))
    [over] = await looking.look()
    assert (over.over, over.still_named) == (True, told.still_named)
    assert await looking.look() == []


async def test_it_is_over_when_the_tool_has_brought_it_in_and_after_a_week() -> None:
    recovery = Recovery()
    looking = Looking(recovery)
    await by_hand(recovery)
    looking.deployed(f"{ARN}:2", at=recovery.clock.now() - 120)
    assert len(await looking.look()) == 1
    recovery.ecs.deploy_elsewhere(f"{ARN}:2")
    [over] = await looking.look()
    assert over.over
    recovery.ecs.deploy_elsewhere(f"{ARN}:1")
    assert [event.over for event in await looking.look()] == [False]
    looking.movers.deployments, looking.movers.told = [], Trail()
    assert [event.over for event in await looking.look(8 * 86_400)] == [True]


async def test_what_was_taken_back_and_no_tool_has_deployed_is_no_news() -> None:
    recovery = Recovery()
    looking = Looking(recovery)
    await in_a_run(recovery)
    assert await looking.look() == []
    assert await looking.look() == []
