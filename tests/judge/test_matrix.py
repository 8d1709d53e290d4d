"""The matrix: each possible pair, the same cells for a seed, and what cannot be has its reason."""

from math import inf

import pytest

from benchmarks.judge.images import IMAGES, version_of
from benchmarks.judge.kinds import KINDS, patience
from benchmarks.judge.matrix import AXES, LEAST_CELLS, Played, impossible, matrix, with_name
from benchmarks.judge.matrix import USUAL as USUALLY_SURROUNDED
from benchmarks.judge.pairs import impossible_pairs, pairs_of
from benchmarks.judge.rule import Answer
from sandbox.scenarios.behaviour import Behaviour

USUAL = "high healthy usual quiet still"


@pytest.mark.parametrize("seed", [1, 2])
def test_each_pair_that_can_be_is_played(seed: int) -> None:
    cells = matrix(seed)
    assert len(cells) >= LEAST_CELLS
    assert len({cell.name for cell in cells}) == len(cells)
    covered = set().union(*(pairs_of(cell.row) for cell in cells))
    cannot = impossible_pairs(AXES, impossible)
    assert all(cannot.values())
    everything = {
        frozenset({(axis, value), (other, other_value)})
        for axis in AXES
        for other in AXES
        if axis < other
        for value in AXES[axis]
        for other_value in AXES[other]
    }
    assert covered == everything - set(cannot)


def test_a_seed_is_the_same_matrix_and_another_seed_another() -> None:
    assert [cell.name for cell in matrix(7)] == [cell.name for cell in matrix(7)]
    assert [cell.name for cell in matrix(7)] != [cell.name for cell in matrix(8)]


def test_a_cell_is_found_by_its_name_and_is_a_scenario() -> None:
    for cell in matrix(1):
        assert with_name(cell.name) == cell
        assert cell.scenario.image == cell.image


@pytest.mark.parametrize("kind", KINDS)
def test_a_healthy_image_is_to_go_live_on_each_kind(kind: str) -> None:
    traffic = "high" if not impossible({"kind": kind, "traffic": "high"}) else "none"
    cell = with_name(f"{kind} healthy {traffic} healthy usual quiet still")
    assert not impossible(cell.row)
    assert cell.right.answer is Answer.KEEP


@pytest.mark.parametrize("image", sorted(set(IMAGES) - {"healthy", "dependency-away", "slow-start"}))
def test_each_bad_image_is_bad_on_the_guides_service(image: str) -> None:
    assert with_name(f"guide {image} {USUAL}").right.answer is Answer.STOP


def test_most_cells_have_the_usual_surroundings() -> None:
    cells = matrix(1)
    assert all(
        sum(cell.row[axis] == value for cell in cells) > 0.6 * len(cells) for axis, value in USUALLY_SURROUNDED.items()
    )


def test_an_image_that_starts_slowly_is_bad_where_the_service_gives_it_no_time() -> None:
    answers = {kind: with_name(f"{kind} slow-start {USUAL}").right.answer for kind in ("guide", "many-tasks")}
    assert answers == {"guide": Answer.STOP, "many-tasks": Answer.KEEP}
    assert (patience(30), patience(120)) == (45, 120)


def test_what_crashes_at_start_on_a_slow_starter_crashes_before_it_answers() -> None:
    cell = with_name(f"slow-starter crash-at-start {USUAL}")
    assert cell.image.crash_after is not None
    assert cell.image.crash_after < cell.image.start_seconds
    later = with_name(f"slow-starter crash-later {USUAL}").image
    assert later.crash_after is not None
    assert later.crash_after > later.start_seconds + 100


def test_the_numbers_of_a_version_are_those_of_its_behaviour() -> None:
    behaviour = Behaviour.model_validate(
        {"error_rate": 0.2, "memory_growth": 5.5, "later": {"after": 60, "latency": 3.0}, "architecture": "arm64"}
    )
    version = version_of(behaviour)
    assert [(stage.after, stage.errors, stage.latency) for stage in version.stages] == [(0, 0.2, 0.08), (60, 0.2, 3.0)]
    assert (version.ends, version.fits) == (600, False)
    assert version_of(behaviour, "arm64").fits
    assert version_of(Behaviour()).ends == inf


def test_only_what_cannot_be_or_is_alike_is_left_out() -> None:
    assert impossible(Played({**with_name(f"worker healthy {USUAL}").row}).row).startswith("nobody counts")
    assert impossible(with_name(f"guide errors-12 {USUAL}").row) == ""
