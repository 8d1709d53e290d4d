"""Product time at a pace, and what cannot be one."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from services._chassis.clock import Pace, moment


def test_a_pace_is_read_as_it_is_written() -> None:
    pace = Pace.parse("20@1764000000")
    assert pace == Pace(20, 1_764_000_000)
    assert Pace.parse(str(pace)) == pace
    assert pace.at(1_764_000_003) == 1_764_000_060
    assert Pace.parse("1") == Pace()


@pytest.mark.parametrize("wrong", ["", "fast", "0@0", "-1@0", "nan@0", "inf@0", "1@nan", "1@inf"])
def test_what_is_no_pace_is_refused_with_the_accepted_form(wrong: str) -> None:
    with pytest.raises(ValueError, match="RATE@ANCHOR"):
        Pace.parse(wrong)


def test_a_moment_beyond_the_calendar_is_its_end() -> None:
    late = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-12)))
    assert moment(late.timestamp()) == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert moment(Pace.parse("20@1764000000").at(late.timestamp())).year == 9999
    assert moment(-1e15) == datetime.min.replace(tzinfo=UTC)
