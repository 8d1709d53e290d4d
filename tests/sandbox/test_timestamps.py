"""In a rehearsal, timestamps of AWS's answers are read in UTC, and as botocore reads them."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore import utils
from hypothesis import given
from hypothesis import strategies as st

from sandbox.virtual.aws import botocore_in_virtual_time, moment_of
from sandbox.virtual.loop import VirtualLoop
from services._chassis.aws_connection import AwsConnection

parse_timestamp: Any = utils.parse_timestamp
"""It takes numbers as well, which its stubs do not say."""
ANY = st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  hypothesis wants them so
FORMS = (
    datetime.timestamp,
    lambda moment: int(moment.timestamp()),
    lambda moment: repr(moment.timestamp()),
    datetime.isoformat,
    lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
    lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT"),
    lambda moment: moment.strftime("%Y%m%dT%H%M%SZ"),
)


@given(ANY, st.sampled_from(range(len(FORMS))))
def test_each_form_is_the_moment_that_botocore_reads(moment: datetime, form: int) -> None:
    written = FORMS[form](moment)
    assert moment_of(written) == parse_timestamp(written)
    assert moment_of(written).utcoffset() == timedelta(0)


@pytest.mark.parametrize("value", ["", "yesterday", "2026-13-01T00:00:00Z"])
def test_what_is_no_timestamp_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="Invalid timestamp"):
        moment_of(value)


@pytest.mark.parametrize("value", [-1e11, 4e11])
def test_a_moment_that_no_clock_shows_is_what_botocore_makes_of_it(value: float) -> None:
    try:
        expected = parse_timestamp(value)
    except (ValueError, OverflowError) as error:
        with pytest.raises(type(error)):
            moment_of(value)
    else:
        assert moment_of(value) == expected


def test_clients_of_a_rehearsal_read_them_so_and_others_as_ever() -> None:
    for loop, parser in ((VirtualLoop(), moment_of), (None, parse_timestamp)):
        with botocore_in_virtual_time(loop) if loop else nullcontext():
            connection = AwsConnection("us-west-2")
            assert connection.client("ecs")._response_parser._timestamp_parser is parser
            connection.close()
