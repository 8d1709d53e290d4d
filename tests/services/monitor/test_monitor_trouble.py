"""When a database was in trouble, as looks have seen it, and which minutes that explains."""

import pytest

from contracts.troubles import RECOVERS, REMEMBERED
from services.monitor.domain.metrics import MINUTE
from services.monitor.domain.trouble import NONE, Troubles
from tests.services.monitor.harness import BY_NAME, START, failed

AWAY = failed("court")


def seen(*moments: tuple[float, bool]) -> Troubles:
    """Return what is known after looks at these moments, each with whether the database was well."""
    troubles = NONE
    for at, well in moments:
        troubles = troubles.following(None if well else AWAY, at)
    return troubles


def test_a_trouble_lasts_from_the_last_look_that_found_it_well_until_the_next_one_that_does() -> None:
    troubles = seen((START, True), (START + 15, False), (START + 300, False), (START + 315, True), (START + 330, True))
    (trouble,) = troubles.known
    assert (trouble.begins, trouble.until, trouble.lasting) == (START, START + 315, False)
    assert troubles.during(START - MINUTE, START) is None
    assert troubles.during(START, START + 1) == AWAY
    assert troubles.during(START + 314 + RECOVERS, START + 600) == AWAY, "the application has to connect again"
    assert troubles.during(START + 315 + RECOVERS, START + 600) is None


def test_one_that_was_there_at_the_first_look_may_have_begun_at_any_time() -> None:
    assert seen((START, False)).during(START - 3600, START - 3540) == AWAY


def test_two_troubles_are_two_and_old_ones_are_forgotten() -> None:
    looks = ((START, True), (START + 15, False), (START + 30, True), (START + 900, True), (START + 915, False))
    troubles = seen(*looks)
    assert len(troubles.known) == 2
    assert troubles.during(START + 300, START + 360) is None
    assert len(troubles.following(None, START + REMEMBERED + 60).known) == 1


@pytest.mark.parametrize(("rule", "good", "bad"), [("error_rate", 10.0, 11.0), ("database_connections", 2.0, 3.0)])
def test_only_what_would_break_a_rule_is_harmed(rule: str, good: float, bad: float) -> None:
    troubles = seen((START, True), (START + 15, False))
    assert not troubles.harmed(BY_NAME[rule], START, good)
    assert troubles.harmed(BY_NAME[rule], START, bad)
    assert not troubles.harmed(BY_NAME[rule], START + 5 * MINUTE, bad)
