"""No two services share the name of an alarm or of a dashboard."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from contracts.cloudwatch_names import alarm_prefix, dashboard_name, former_name

names = st.one_of(st.text("ab-_", min_size=1, max_size=6), st.from_regex(r"[a-z_-]{90,255}", fullmatch=True))
pairs = st.tuples(names, names)


@given(pairs, pairs)
@example(("prod", "api-web"), ("prod-api", "web"))
@example(("a", "_b"), ("a_", "b"))
@example(("a-_", "b"), ("a", "_-b"))
@example(("a_-", "b"), ("a", "-_b"))
@example(("a" * 255, "b"), ("a" * 255, "c"))
def test_two_services_have_two_names(first: tuple[str, str], second: tuple[str, str]) -> None:
    for naming in (alarm_prefix, dashboard_name):
        assert (naming(*first) == naming(*second)) == (first == second)


@given(pairs)
def test_they_fit_into_cloudwatch(of: tuple[str, str]) -> None:
    longest_rule = "r" * 40
    assert len(alarm_prefix(*of) + longest_rule) <= 255
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,255}", dashboard_name(*of))


def test_the_names_of_the_previous_version_are_known() -> None:
    assert former_name("prod", "api-web") == former_name("prod-api", "web") == "surefoot-prod-api-web"
    assert len(former_name("c" * 255, "s" * 255)) == 200
