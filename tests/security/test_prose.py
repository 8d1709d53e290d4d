"""Each text of a contract, of a state and of an answer is for people, and clean, or is known to be a machine's."""

import importlib
import pkgutil
import time
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel

import contracts
import services
from contracts.deployment import ImageChange, TaskDefinitionChange
from contracts.prose import Plain, Prose, each_text, plain, prose, quote
from tests.security.test_terminal import HOSTILE

CLEAN = {get_args(kind)[1].func for kind in (Plain, Prose)}
MACHINE = {
    "ids": """alert_id alerts charged_to command_id commands deployment_id digest digests id issue_id job last_run_id
        letter live_deployment operation_id policies policy_digest recommendation_id replay_of replaces rollback_id
        run_id snapshot_deployment snapshot_id snapshot_ids service_deployment first_primary failed_tasks judged goals
        rollout rolled_back cursor continues asked stood_down sha256 signed_with chain previous hash signature
        redis_run_id recorded by drift_of plan scaling_id incident content revisions migration_id task_arn prefix
        recreation_id made supersedes network providers launch_type platform_version command family deployments
        drill_id released""",
    "names that our code or AWS gave": """account alarms alarms_of_ecs already_firing architecture bad check closely
        cluster cluster_name container dashboard database ended evaluation external_id firing group image images kind
        load_balancer metric metrics_namespace missing muted name os raised rating region resolved revision role rule
        service service_name session_name stat state status step surroundings target target_group task_definition topic
        unit uncounted unknown database approvers shared from_cluster from_region""",
    "what our code wrote": """causes description impact prevention prevention_measures resolution_steps root_causes
        steps""",
    "what is sent as it is": """body headers health_path location migrations path reference ready_path series status_url
        text url gate""",
}  # fmt: skip
"""Names of fields whose text is no sentence, by why. A new name belongs into one line, or its type is ``Prose``."""
NAMES = {name for names in MACHINE.values() for name in names.split()}


def models() -> Iterator[type[BaseModel]]:
    for root in (contracts, services):
        for found in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    left = [BaseModel]
    while left:
        for model in left.pop().__subclasses__():
            left.append(model)
            if model.__module__.startswith(("contracts.", "services.")) and "Settings" not in model.__name__:
                yield model


def is_bare(annotation: Any, metadata: Any = ()) -> bool:
    """Return whether a text of this type may be anything."""
    if any(isinstance(entry, AfterValidator) for entry in metadata):
        return False
    if get_origin(annotation) is Annotated:
        return is_bare(get_args(annotation)[0], annotation.__metadata__)
    return annotation is str or any(map(is_bare, get_args(annotation)))


def test_each_field_that_holds_any_text_is_known() -> None:
    bare = {
        f"{model.__module__}.{model.__name__}.{name}"
        for model in models()
        for name, field in model.model_fields.items()
        if is_bare(field.annotation, field.metadata) and name not in NAMES
    }
    settings = {name for name in bare if ".policy" in name or name.startswith(("services._policy", "contracts.access"))}
    assert sorted(bare - settings) == []


@given(st.text(max_size=300))
def test_prose_is_on_one_line_and_stays_as_it_is_when_read_again(text: str) -> None:
    clean = prose(text)
    assert clean.isprintable()
    assert prose(clean) == clean
    assert plain(text).isprintable()
    assert quote(text, 50).isprintable()
    assert len(quote(text, 50)) <= 50


def test_what_is_printable_stays_as_it_is() -> None:
    accents = ("Gro\u0308ße", "ế", "e\u0302\u0301", "สิ่ง", "हिन्दी", "שָׁלוֹם", "한국어")
    for text in ("two  blanks stay", "Größe, 大きさ, 3 → 4, “quoted”…", "", *accents, "✅ 🚀 ⚠\ufe0f ❤\ufe0f 👍🏽 🇩🇪"):
        assert (plain(text), prose(text)) == (text, text)


@pytest.mark.parametrize(
    "blank",
    ["\u3164", "\u115f", "\u1160", "\uffa0", "\u2800", "\u034f", "\u17b4", "\u180b", "\ufe00", "\ufe0f", "\U000e01ef"],
)
def test_what_python_calls_printable_and_nobody_sees_is_shown(blank: str) -> None:
    code = blank.encode("unicode_escape").decode()
    assert (plain(f"team{blank}a"), prose(f"team{blank}a")) == (f"team{code}a", f"team{code}a")
    assert plain(f"⚠{blank}{blank}").endswith(code)


def test_a_pile_of_marks_is_no_character_and_costs_little_time() -> None:
    assert plain("a" + "\u0301" * 4) == "a" + "\u0301" * 4
    assert plain("a" + "\u0301" * 6 + "b\u0301") == "a" + "\u0301" * 4 + "\\u0301" * 2 + "b\u0301"
    begun = time.perf_counter()
    plain("a" + "\u0301" * 100_000)
    assert time.perf_counter() - begun < 0.5


@pytest.mark.parametrize("clean", [plain, prose])
def test_each_text_of_data_is_cleaned(clean: Any) -> None:
    cleaned = each_text({HOSTILE: [HOSTILE, 1, None, {"a": (HOSTILE,)}]}, clean)
    assert str(cleaned).isprintable()
    assert cleaned[clean(HOSTILE)][1:3] == [1, None]


@pytest.mark.parametrize(
    "reference",
    [
        "ghcr.io/acme/auth-token:1.4",
        "auth-token:1.4",
        "123456789012.dkr.ecr.us-west-2.amazonaws.com/team/app-secret:v1",
        f"acme/api-key@sha256:{'a' * 64}",
        "localhost:5000/cookie:1",
    ],
)
def test_what_is_to_be_deployed_stays_as_it_is(reference: str) -> None:
    assert ImageChange.parse(reference).reference == reference
    assert ImageChange.parse(f"auth={reference}").reference == reference
    assert ImageChange(reference=f"user:hunter2@{reference}").reference == f"***@{reference}"


@pytest.mark.parametrize(
    "name", ["user-token:41", "arn:aws:ecs:us-west-2:123456789012:task-definition/authorization:41"]
)
def test_a_task_definition_and_the_command_by_hand_stay_as_they_are(name: str) -> None:
    assert TaskDefinitionChange(task_definition=name).task_definition == name
    if "/" in name:
        assert prose(f"By hand: aws ecs update-service --task-definition {name}").endswith(name)
