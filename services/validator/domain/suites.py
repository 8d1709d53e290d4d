"""The tests of each suite, and how often each is tried, by the policy."""

from collections.abc import Collection

from contracts.policy_tests import HttpTest, Tests
from contracts.validator import Suite


def in_order(suites: Collection[Suite]) -> tuple[Suite, ...]:
    """Return the suites in the order in which they are run: smoke first, in whatever order they were requested."""
    known: tuple[Suite, ...] = ("smoke", "api")
    return tuple(suite for suite in known if suite in suites)


def tests_of(tests: Tests, suite: Suite) -> tuple[HttpTest, ...]:
    return tests.smoke if suite == "smoke" else tests.api


def with_others(tests: Tests, others: tuple[HttpTest, ...]) -> Tests:
    """Return the tests with others beside the smoke tests."""
    return tests.model_copy(update={"smoke": tests.smoke + others}) if others else tests


def timeout_of(tests: Tests, suite: Suite) -> float:
    """Return the longest that one attempt may take, in real seconds."""
    return tests.smoke_timeout_seconds if suite == "smoke" else tests.api_timeout_seconds


def attempts_of(tests: Tests, test: HttpTest) -> int:
    """Return the largest number of times that a test is tried."""
    return 1 + (tests.critical_retries if test.critical else tests.other_retries)


def backoff(attempt: int) -> float:
    """Return the seconds of product time between the attempt number ``attempt`` (from 0) and the next one.

    The requirements (docs/requirements.md) have it as 2^attempt.
    """
    return float(2**attempt)
