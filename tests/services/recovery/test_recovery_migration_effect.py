"""Exit code 0 is no proof of a migration: what the application tells of its schema, before and after, counts too."""

from typing import Any

import pytest

from contracts.schema_status import SchemaStatus
from services.recovery.domain.migration.effect import Logged, Reported, believed, prove, remark
from services.recovery.domain.migration.migration_end import Ended
from tests.services.recovery.application import SILENT, at

UPGRADED = ("INFO  [alembic.runtime.migration] Running upgrade a1e0 -> b2f1, cases",)
STAMPED = ("INFO  [alembic.runtime.migration] Running stamp_revision a1e0 -> b2f1",)
OLD = at("a1e0", heads=("a1e0",), up_to_date=True)
NEW = at("b2f1", heads=("a1e0",), up_to_date=False)
BEHIND = at("a1e0", heads=("b2f1",), up_to_date=False)
ENDED = Ended("succeeded", "It ended with exit code 0.", 0)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"current": "b2f1", "head": "b2f1", "up_to_date": True}, at("b2f1", heads=("b2f1",), up_to_date=True)),
        ({"current": "b2f1 (head)"}, at("b2f1")),
        ({"current_revision": "a1", "head_revision": "b2"}, at("a1", heads=("b2",), up_to_date=False)),
        ({"current": "b2, a1", "heads": ["a1", "b2"]}, at("a1", "b2", heads=("a1", "b2"), up_to_date=True)),
        ({"pending": ["0002_more", "0003_less"]}, SchemaStatus(pending=2, ready=True)),
        ({"pending_count": 0, "status": "up to date"}, SchemaStatus(pending=0, up_to_date=True, ready=True)),
        ({"pending": True}, SchemaStatus(pending=1, ready=True)),
        ({"status": "pending", "current": "a1"}, at("a1", up_to_date=False)),
        ({"pending_count": -3, "current": "a1"}, at("a1")),
    ],
)
def test_what_an_application_tells_is_read(document: dict[str, Any], expected: SchemaStatus) -> None:
    for shape in ({"migrations": document}, {"checks": {"migrations": document}}):
        assert SchemaStatus.reported_by(shape, ready=True) == expected


@pytest.mark.parametrize(
    "document",
    [None, [], "x", {}, {"migrations": "b2"}, {"migrations": []}, {"migrations": {}}, {"migrations": {"applied": 3}},
     {"migrations": {"current": "postgresql://court:secret@db/court", "head": {"x": 1}, "pending": 1e300}},
     {"migrations": {"current": None, "pending": None}}, {"migrations": {"current": "\x1b[31m"}}],
)  # fmt: skip
def test_what_tells_nothing_of_a_schema_is_not_known(document: object) -> None:
    report = SchemaStatus.reported_by(document, ready=False)
    assert (report.revisions, report.pending, report.ready) == ((), None, False)
    assert report.unknown.startswith("the application tells no")
    assert "secret" not in str(report)


def test_a_log_tells_which_revisions_it_has_reached() -> None:
    steps = ["Running upgrade  -> a1, first", "Running upgrade a1 -> b2", "Running upgrade a1 -> c3", "noise -> d4"]
    assert Logged.read(steps).reached == ("b2", "c3")
    assert Logged.read([*steps, "Running upgrade b2, c3 -> e5, merge"]).reached == ("e5",)
    assert Logged.read(STAMPED) == Logged(stamped=True)


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (OLD, NEW, UPGRADED),
        (OLD, NEW, ()),
        (BEHIND, at("b2f1", heads=("b2f1",), up_to_date=True), UPGRADED),
        (at("b2f1"), at("b2f1aa11"), ()),
        (OLD, at("b2f1aa", heads=("a1e0",)), UPGRADED),
        (OLD, OLD, ()),
        (SILENT, NEW, UPGRADED),
        (None, NEW, UPGRADED),
        (NEW, SILENT, ()),
        (at(pending=3), at(pending=1), ()),
        (at(pending=3), at(pending=0), ()),
        (at(pending=0), at(pending=0), ()),
        (OLD, at("a1e0", "b2f1", heads=("a1e0",)), UPGRADED),
        (OLD, NEW, STAMPED),
    ],
)
def test_nothing_speaks_against_what_may_have_had_its_effect(
    before: SchemaStatus | None, after: SchemaStatus, lines: tuple[str, ...]
) -> None:
    proof = prove(Reported(before, after), lines, compatible=True)
    assert proof.against == ""
    assert believed(ENDED, proof, ()).result == "succeeded"


@pytest.mark.parametrize(
    ("before", "after", "lines", "why"),
    [
        (OLD, OLD, UPGRADED, "upgraded to b2f1, and the application still reports a1e0"),
        (None, OLD, UPGRADED, "another database"),
        (BEHIND, BEHIND, (), "reports a1e0 as before it, and its own version wants b2f1"),
        (at(pending=2), at(pending=2), (), "reports 2 migrations that are still to be made"),
        (at("a1e0", pending=1), at("a1e0", pending=4), (), "reports 4 migrations"),
    ],
)
def test_exit_code_0_without_effect_is_not_believed(
    before: SchemaStatus | None, after: SchemaStatus, lines: tuple[str, ...], why: str
) -> None:
    proof = prove(Reported(before, after), lines, compatible=False)
    assert proof.against == "migration_effect"
    ended = believed(ENDED, proof, ())
    assert (ended.result, ended.against, why in ended.sentence) == ("unknown", "migration_effect", True)
    assert "only a person can say" in ended.sentence
    overridden = believed(ENDED, proof, {"migration_effect"})
    assert (overridden.result, overridden.against) == ("succeeded", "")
    assert "by the override migration_effect" in overridden.sentence


def test_a_database_that_has_left_the_version_that_serves_behind_is_waited_for_by_nobody() -> None:
    """As where the run before has migrated, and its change was not made: nothing is left to be done."""
    ahead = at("b2f1", heads=("a1e0",), up_to_date=False)
    assert prove(Reported(ahead, ahead), (), compatible=True).against == "migration_effect"
    assert prove(Reported(ahead, ahead, frozenset({"a1e0"})), (), compatible=True).against == ""


def test_a_version_that_is_not_ready_any_more_refutes_who_calls_the_migration_compatible() -> None:
    broken = at("b2f1", heads=("a1e0",), ready=False)
    proof = prove(Reported(OLD, broken), UPGRADED, compatible=True)
    assert proof.against == "migration_kept_ready"
    assert "The way out is forward" in proof.sentence
    assert prove(Reported(OLD, broken), UPGRADED, compatible=False).against == "", "nobody has said otherwise"
    never = OLD.model_copy(update={"ready": False})
    assert prove(Reported(never, broken), UPGRADED, compatible=True).against == "", "it was not ready before either"
    ended = believed(ENDED, proof, ())
    assert (ended.result, ended.against) == ("succeeded", "migration_kept_ready")


def test_several_heads_are_told() -> None:
    split = at("a1e0", heads=("b2f1", "c3a2"), up_to_date=False)
    assert "several heads (b2f1, c3a2)" in prove(Reported(at("0000"), split), (), compatible=True).sentence
    both = at("b2f1", "c3a2", heads=("b2f1", "c3a2"), up_to_date=True)
    assert "several heads" not in prove(Reported(split, both), (), compatible=True).sentence


def test_of_one_that_has_failed_it_is_told_where_the_schema_is() -> None:
    assert remark(OLD, NEW) == "The application reports b2f1, and a1e0 before it."
    assert remark(None, NEW) == "The application reports b2f1."
    assert remark(OLD, SILENT) == ""
