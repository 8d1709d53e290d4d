"""Only what was asked for is applied, whatever preflight answers, and only what the policy allows."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.change_scope import TaskVersion, why_not_permitted
from contracts.deployment import Cause, Change, CheckUp, ImageChange, Observe, TaskDefinitionChange
from contracts.policy import ChangeScope, ServicePolicy
from contracts.recovery import CHANGE_ACCEPTED, ApplyChange
from contracts.results import StepFinished
from tests.services.recovery.harness import ARN, BAD, GOOD, REPOSITORY, TARGET, Recovery

ADMIN = "arn:aws:iam::123456789012:role/admin"
OWN = "arn:aws:iam::123456789012:role/backend"
ELSEWHERE = "210987654321.dkr.ecr.us-west-2.amazonaws.com/backend"
DIGEST = BAD.rpartition("@")[2]
SIDECAR = {"name": "proxy", "image": "public.ecr.aws/acme/proxy:1"}
TAGGED = ImageChange(reference=f"{REPOSITORY}:1.5")


def permit(recovery: Recovery, **allowed: Any) -> None:
    recovery.policies.reload(ServicePolicy(target=TARGET, change=ChangeScope(**allowed)))


def with_sidecar(recovery: Recovery) -> None:
    """Let the live version have a second container."""
    recovery.ecs.definitions[0]["containerDefinitions"].append(dict(SIDECAR))


async def applied(
    recovery: Recovery,
    change: Change | None,
    *,
    images: dict[str, str] | None = None,
    definition: str | None = None,
) -> StepFinished:
    """Arm, and send the change as an orchestrator does that was answered so by preflight."""
    await recovery.arm()
    command = ApplyChange(
        target=TARGET, run_id="run-1", images=images or {}, task_definition=definition, change=change
    )  # fmt: skip
    await recovery.send(command, "change")
    await recovery.work(only="apply-change")
    answer = recovery.answer("change")
    assert answer is not None
    return answer


def assert_refused(recovery: Recovery, answer: StepFinished, words: str, cause: Cause = Cause.REFUSED) -> None:
    assert words in answer.summary
    assert (answer.verdict, answer.cause) == ("fail", cause)
    assert [gate.name for gate in answer.gates] == [CHANGE_ACCEPTED], "so that the run ends blocked"
    assert recovery.ecs.changing == [], "nothing was registered either"


@pytest.mark.parametrize(
    ("asked", "images", "words"),
    [
        (TAGGED, {"backend": f"{ELSEWHERE}@{DIGEST}"}, "was asked for, and one of"),
        (TAGGED, {"backend": f"docker.io/backend@{DIGEST}"}, "was asked for, and one of"),
        (TAGGED, {"backend": f"{REPOSITORY}-evil@{DIGEST}"}, "was asked for, and one of"),
        (TAGGED, {"backend": f"{REPOSITORY}:1.5"}, "without a digest"),
        (TAGGED, {"backend": "a:b@c"}, "no well-formed reference"),
        (TAGGED, {"backend": BAD, "other": BAD}, "the change is of backend, other"),
        (TAGGED, {"other": BAD}, "The image of the container backend was to change"),
        (ImageChange(reference=GOOD), {"backend": BAD}, f"and {DIGEST} was to be applied"),
        (ImageChange(reference=f"{REPOSITORY}:1.5@sha256:{'a' * 64}"), {"backend": BAD}, "was asked for, and"),
        (ImageChange(reference=GOOD, container="proxy"), {"backend": GOOD}, "the container proxy was to change"),
        (TaskDefinitionChange(task_definition="backend:1"), {"backend": BAD}, "about a task definition"),
        (Observe(), {"backend": BAD}, "changes nothing"),
        (CheckUp(), {"backend": BAD}, "changes nothing"),
    ],
)
async def test_an_image_that_was_not_asked_for_is_not_applied(
    asked: Change, images: dict[str, str], words: str
) -> None:
    recovery = Recovery()
    assert_refused(recovery, await applied(recovery, asked, images=images), words)


async def test_an_older_image_of_the_same_repository_is_not_put_live_for_a_tag() -> None:
    recovery = Recovery()
    recovery.registry.tags[f"{REPOSITORY}:1.5"] = GOOD.rpartition("@")[2]
    answer = await applied(recovery, TAGGED, images={"backend": BAD})
    assert_refused(recovery, answer, "the tag was moved meanwhile, or the answer of preflight is wrong")
    assert answer.summary == (
        f"{REPOSITORY}:1.5 names {GOOD.rpartition('@')[2]} now, and {DIGEST}, which preflight had checked, was to be "
        "applied: the tag was moved meanwhile, or the answer of preflight is wrong. Deploy again to have what the tag "
        f"names now checked and deployed, or deploy {BAD} for what was checked."
    ), "what has happened, and both ways on; the run adds that nothing was changed"


async def test_a_task_definition_is_not_put_live_for_an_image() -> None:
    recovery = Recovery()
    other = recovery.ecs.add_definition(BAD)
    answer = await applied(recovery, TAGGED, definition=other)
    assert_refused(recovery, answer, "about an image, and a task definition was to be applied")


@pytest.mark.parametrize("asked", ["backend:2", f"{ARN}:2", "backend"])
async def test_another_revision_than_the_one_that_was_asked_for_is_not_applied(asked: str) -> None:
    recovery = Recovery()
    wrong = f"{ARN}:1" if asked == "backend" else f"{ARN}:3"
    recovery.ecs.add_definition(BAD)
    recovery.ecs.add_definition(GOOD, cpu="1024")
    recovery.ecs.latest = f"{ARN}:3"
    answer = await applied(recovery, TaskDefinitionChange(task_definition=asked), definition=wrong)
    assert_refused(recovery, answer, "was to be applied: another revision was registered meanwhile")
    assert answer.summary.endswith(f"or deploy {wrong.rpartition('/')[2]} for what was checked.")


@pytest.mark.parametrize(
    ("changes", "words", "allowed"),
    [
        ({"family": "other"}, "family other, the live version's is backend", {"families": ("other",)}),
        ({"taskRoleArn": ADMIN}, f"The task role is {ADMIN}, the live version's is {OWN}", {"roles": (ADMIN,)}),
        ({"executionRoleArn": ADMIN}, f"The execution role is {ADMIN}", {"roles": (ADMIN,)}),
        (
            {"containerDefinitions": [{"name": "backend", "image": f"{ELSEWHERE}:1"}]},
            "change.repositories",
            {"repositories": (ELSEWHERE,)},
        ),
        (
            {"containerDefinitions": [{"name": "backend", "image": GOOD}, {"name": "x", "image": "acme/miner:1"}]},
            "container x is of the repository docker.io/acme/miner",
            {"repositories": ("acme/miner",)},
        ),
    ],
)
async def test_another_family_role_or_repository_is_refused_unless_the_policy_names_it(
    changes: dict[str, Any], words: str, allowed: dict[str, Any]
) -> None:
    change = TaskDefinitionChange(task_definition="backend:2")
    for permitted in (False, True):
        recovery = Recovery()
        recovery.ecs.definitions[0] |= {"taskRoleArn": OWN, "executionRoleArn": OWN}
        recovery.ecs.add_definition(BAD, **{"taskRoleArn": OWN, "executionRoleArn": OWN, **changes})
        if permitted:
            permit(recovery, **allowed)
        answer = await applied(recovery, change, definition=f"{ARN}:2")
        if permitted:
            assert (answer.verdict, recovery.ecs.updates) == ("pass", [f"{ARN}:2"])
        else:
            assert_refused(recovery, answer, words, Cause.USAGE)
            assert f"change.{next(iter(allowed))}" in answer.summary, "which key would allow it"


async def test_the_policy_in_force_decides_and_not_the_one_that_preflight_had() -> None:
    recovery = Recovery()
    recovery.policies.refused = frozenset()
    await recovery.arm()
    recovery.policies.refused = frozenset({TARGET})
    change = ImageChange(reference=BAD)
    await recovery.send(ApplyChange(target=TARGET, run_id="run-1", images={"backend": BAD}, change=change), "change")
    await recovery.work(only="apply-change")
    answer = recovery.answer("change")
    assert answer is not None
    assert_refused(recovery, answer, "the policy does not list")


async def test_without_what_was_asked_for_the_live_version_is_still_compared() -> None:
    recovery = Recovery()
    answer = await applied(recovery, None, images={"backend": f"{ELSEWHERE}@{DIGEST}"})
    assert_refused(recovery, answer, "change.repositories", Cause.USAGE)


# what people ask for goes on to work


@pytest.mark.parametrize(
    ("asked", "image"),
    [
        (TAGGED, BAD),
        (ImageChange(reference=BAD), BAD),
        (ImageChange(reference=f"{REPOSITORY}:1.5@{DIGEST}"), BAD),
        (ImageChange(reference=REPOSITORY), BAD),
        (ImageChange(reference=BAD, container="backend"), BAD),
        (ImageChange(reference=f"123456789012.dkr-ecr.us-west-2.on.aws/backend@{DIGEST}"), BAD),
    ],
)
async def test_an_image_by_tag_or_digest_is_applied(asked: ImageChange, image: str) -> None:
    recovery = Recovery()
    recovery.registry.tags = {f"{REPOSITORY}:1.5": DIGEST}
    answer = await applied(recovery, asked, images={"backend": image})
    assert (answer.verdict, recovery.ecs.updates) == ("pass", [f"{ARN}:2"])


async def test_a_registry_that_cannot_be_read_stands_in_the_way_of_nothing() -> None:
    recovery = Recovery()

    answer = await applied(recovery, TAGGED, images={"backend": BAD})
    assert answer.verdict == "pass"


async def test_one_of_several_containers_is_changed_and_the_others_stay() -> None:
    recovery = Recovery()
    with_sidecar(recovery)
    change = ImageChange(reference=BAD, container="backend")
    answer = await applied(recovery, change, images={"backend": BAD})
    assert answer.verdict == "pass"
    assert SIDECAR in recovery.ecs.definitions[-1]["containerDefinitions"]


@pytest.mark.parametrize("asked", ["backend:2", f"{ARN}:2", "backend"])
async def test_a_revision_is_applied_by_each_of_its_names(asked: str) -> None:
    recovery = Recovery()
    recovery.ecs.add_definition(BAD)
    recovery.ecs.latest = f"{ARN}:2"
    answer = await applied(recovery, TaskDefinitionChange(task_definition=asked), definition=f"{ARN}:2")
    assert (answer.verdict, recovery.ecs.updates) == ("pass", [f"{ARN}:2"])


async def test_a_change_that_redis_has_forgotten_is_ours_though_its_tag_was_moved() -> None:
    recovery = Recovery()
    await recovery.arm()
    before = dict(recovery.store.states)
    await recovery.send(ApplyChange(target=TARGET, run_id="run-1", images={"backend": BAD}, change=TAGGED), "change")
    await recovery.work(only="apply-change")
    recovery.store.states = before
    recovery.registry.tags[f"{REPOSITORY}:1.5"] = GOOD.rpartition("@")[2]
    again = ApplyChange(target=TARGET, run_id="run-1", images={"backend": BAD}, change=TAGGED)
    await recovery.send(again, "change-again")
    await recovery.work(only="apply-change")
    answer = recovery.answer("change-again")
    assert answer is not None
    assert answer.verdict == "pass"
    assert len(recovery.ecs.updates) == 1


LIVE = TaskVersion("app", {"web": "nginx:1", "log": "public.ecr.aws/x/log@sha256:" + "0" * 64}, OWN, OWN)


@pytest.mark.parametrize(
    "new",
    [
        LIVE,
        replace(LIVE, images={"web": "docker.io/library/nginx:2"}),
        replace(LIVE, images={"web": "index.docker.io/library/nginx", "second": "nginx:3"}),
        replace(LIVE, task_role="backend", execution_role=None),
    ],
)
def test_what_is_the_same_under_another_spelling_is_permitted(new: TaskVersion) -> None:
    assert why_not_permitted(LIVE, new, ChangeScope()) is None


@pytest.mark.parametrize(
    "new",
    [
        replace(LIVE, images={"web": "public.ecr.aws/x/log:1"}),
        replace(LIVE, images={"web": "nginx.evil.example/library/nginx:1"}),
        replace(LIVE, images={"web": "docker.io:5000/library/nginx:1"}),
        replace(LIVE, images={"web": "evil/nginx:1"}),
        replace(LIVE, images={"web": "no reference at all"}),
        replace(LIVE, images={"web": "nginx:1", "more": ""}),
        replace(LIVE, task_role="arn:aws:iam::999999999999:role/backend"),
        replace(LIVE, family="App"),
    ],
)
def test_what_only_looks_alike_is_not(new: TaskVersion) -> None:
    assert why_not_permitted(LIVE, new, ChangeScope()) is not None


def test_what_cannot_be_read_is_not_quoted() -> None:
    why = why_not_permitted(LIVE, replace(LIVE, images={"web": "user:hunter2@host/app"}), ChangeScope())
    assert why is not None
    assert "hunter2" not in why
