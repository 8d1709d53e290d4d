"""Ids that derive from parts: no others have the same, and those of the version before stay what they were."""

import json
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import CAUSES, Target, caused_id, id_of
from contracts.deployment import run_id_of
from services._chassis.operations import request_id
from services.orchestrator.domain.request_name import RequestName
from tests.compatibility.test_recorded import read

TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")
OTHER = TARGET.model_copy(update={"service": "s2"})
parts = st.one_of(st.text(max_size=8), st.text("0123456789:#/ab", max_size=8))
"""Any text, and often such as could be taken for two parts."""
pairs = st.tuples(parts, parts)


@given(pairs, pairs)
def test_a_consequence_has_the_id_of_no_other(some: tuple[str, str], other: tuple[str, str]) -> None:
    assert (caused_id(*some) == caused_id(*other)) == (some == other)


@given(pairs, st.lists(parts, max_size=4))
def test_nor_has_anything_else(some: tuple[str, str], other: list[str]) -> None:
    """However the parts are chosen: what is told by lengths lies in a namespace of its own."""
    assert (caused_id(*some) == id_of(*other)) == (":" in some[0] and list(some) == other)


@given(st.sampled_from([TARGET, OTHER]), pairs, st.sampled_from([TARGET, OTHER]), pairs)
def test_a_request_has_the_run_of_no_other(
    target: Target, some: tuple[str, str], elsewhere: Target, other: tuple[str, str]
) -> None:
    assert (run_id_of(target, *some) == run_id_of(elsewhere, *other)) == ((target, some) == (elsewhere, other))


operations = st.sampled_from(["snapshot", "rollback", "validation-smoke", "validation-smoke,api", "set-up-alarms"])
keys = st.one_of(parts, operations.map(lambda what: f"a:api-{what}")).filter(bool)


@given(operations, keys, operations, keys)
def test_an_operation_has_the_id_of_no_other(what: str, key: str, other: str, other_key: str) -> None:
    same = (what, key) == (other, other_key)
    assert (request_id(TARGET, what, key) == request_id(TARGET, other, other_key)) == same
    assert request_id(TARGET, what, key) != request_id(OTHER, other, other_key)


@pytest.mark.parametrize(("one", "other"), [(("a:b", "c"), ("a", "b:c")), (("a", "1:b"), ("a:1", "b"))])
def test_what_ran_into_each_other_does_so_no_more(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert RequestName(TARGET, *one).run_id_before == RequestName(OTHER, *other).run_id_before
    assert caused_id(*one) != caused_id(*other)
    assert run_id_of(TARGET, *one) != run_id_of(TARGET, *other)


@given(st.text().filter(lambda cause: ":" not in cause), st.text())
def test_what_a_cause_without_a_colon_leads_to_has_the_id_that_it_had(cause: str, what: str) -> None:
    """Nearly all causes are ids: what is stored, expected and under way at an upgrade is known again."""
    assert caused_id(cause, what) == str(uuid.uuid5(CAUSES, f"{cause}:{what}"))


def test_a_key_of_before_an_upgrade_is_the_same_operation() -> None:
    before = uuid.uuid5(CAUSES, f"{TARGET}:my:key:api-rollback")
    assert request_id(TARGET, "rollback", "my:key") == str(before)


def test_what_was_published_before_would_have_the_same_ids_today() -> None:
    """Events, answers and alerts of the recorded version: whoever compares them finds them."""
    compared = set()
    for event in read("events.json"):
        headers, body = dict(event["headers"]), json.loads(event["raw"])
        expected: Callable[[], str] | None = {
            "step-finished.v1": lambda body=body: caused_id(body["command_id"], "finished"),
            "deployment-started.v1": lambda body=body: caused_id(body["run_id"], "started"),
            "deployment-finished.v1": lambda body=body: caused_id(body["run_id"], "finished"),
            "rollback-finished.v1": lambda body=body: caused_id(body["run_id"] or "", "rollback-finished"),
            "target-armed.v1": lambda headers=headers: caused_id(headers["ce_causeid"], "target-armed"),
        }.get(headers["ce_type"])
        if expected is not None and body.get("run_id"):
            assert headers["ce_id"] == expected()
            compared.add(headers["ce_type"])
    assert len(compared) == 5


def test_an_alert_that_was_raised_before_an_upgrade_is_resolved_after_it() -> None:
    alerts = [json.loads(event["raw"]) for event in read("events.json") if "alert" in dict(event["headers"])["ce_type"]]
    assert alerts
    for alert in alerts:
        began = datetime.fromisoformat(alert["began_at"]).timestamp()
        target = Target.model_validate(alert["target"])
        assert alert["alert_id"] == caused_id(str(target), f"{alert['rule']}:{began:.3f}")


def test_a_state_of_before_goes_on_under_the_ids_that_it_expects() -> None:
    steps = [
        (run["request"]["run_id"], stage["phase"], step)
        for kept in read("redis.json")
        if (kept["service"], kept["kind"]) == ("orchestrator", "state")
        and (run := json.loads(kept["data"])["active"]) is not None
        for stage in run["stages"]
        for step in stage["steps"]
    ]
    assert len(steps) > 5
    for run_id, phase, step in steps:
        assert step["id"] == caused_id(run_id, f"{phase}:{step['name']}:{step['attempt']}")


INTEGRATE = Path(__file__).parents[2] / "docs" / "integrate.md"


def test_the_documents_show_the_formula() -> None:
    lines = INTEGRATE.read_text().splitlines()
    formula = [line for line in lines if line.startswith(("PARTS = ", "RUN = "))]
    target = {"account": "123456789012", "region": "us-west-2", "cluster": "c", "service": "s"}
    given_names = {"TARGET": target, "ID": {"ce_source": "https://ci.example/ü:1", "ce_id": "7"}, "uuid": uuid}
    exec("\n".join(formula), given_names)
    assert given_names["RUN"] == run_id_of(TARGET, "https://ci.example/ü:1", "7")
