"""The services of a campaign: they can be simulated, they differ, and what is right for each version is right."""

import orjson
import pytest

from contracts.deployment import Outcome
from sandbox.scenarios.load import parsed, shipped
from tests.chaos.judge import judge
from tests.chaos.kinds import KINDS, USUAL, mix, service_name, world
from tests.chaos.report import Report
from tests.chaos.requests import Asked, requests, target
from tests.chaos.test_judge import APPLIED, CHANGED, finished, seen


@pytest.mark.parametrize("seed", range(20))
def test_a_campaign_has_at_least_four_kinds_of_services(seed: int) -> None:
    kinds = mix(seed, 8)
    assert kinds[0] == USUAL
    assert len(set(kinds)) >= 4
    assert {asked.kind for asked in requests(seed, 40, 8)} == set(kinds)


def test_seeds_differ_and_repeat() -> None:
    assert mix(1, 8) == mix(1, 8) != mix(2, 8)


def test_the_simulated_aws_has_them_all() -> None:
    kinds = mix(1, 16)
    scenario = parsed(orjson.dumps(world(kinds)).decode(), "services.yaml", {"1.0", *shipped()})
    assert [service.service_name for service in scenario.world.services] == [service_name(n) for n in range(1, 17)]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_is_right_for_an_image_is_what_its_scenario_expects(kind: object) -> None:
    assert isinstance(kind, type(KINDS[USUAL]))
    for behaviour in kind.behaviours:
        assert kind.right(behaviour) == shipped()[behaviour].expect.outcome


def test_a_worker_that_answers_slowly_is_not_a_bad_one() -> None:
    assert KINDS["worker"].right("slow") is Outcome.SUCCEEDED
    assert KINDS[USUAL].right("slow") is Outcome.ROLLED_BACK


@pytest.mark.parametrize(
    ("behaviour", "outcome", "harmless", "wrong"),
    [
        ("crash-loop", Outcome.SUCCEEDED, False, True),
        ("crash-loop", Outcome.FAILED, False, False),
        ("crash-loop", Outcome.FAILED, True, True),
        ("healthy", Outcome.SUCCEEDED, False, False),
        ("healthy", Outcome.ROLLED_BACK, False, False),
        ("healthy", Outcome.ROLLED_BACK, True, True),
    ],
)
def test_an_outcome_that_is_wrong_for_the_version_is_told(
    behaviour: str, outcome: Outcome, *, harmless: bool, wrong: bool
) -> None:
    asked = Asked(0, target(1), behaviour, "tag", None, "worker")
    report = judge(Report(1), [asked], seen(APPLIED, finished(outcome)), [CHANGED], harmless=harmless)
    assert report.outcomes_wrong == int(wrong)
    assert any("of the kind worker" in fault for fault in report.faults) == wrong
