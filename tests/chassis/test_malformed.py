"""A flood of which a third is malformed in every way; ``make bench`` sends 100,000 of the kind."""

from collections import Counter
from typing import Any

from benchmarks.flood import Outcome, Tally, flood
from benchmarks.mixture import HUGE, good, kinds, mixture


async def test_each_malformed_message_is_one_dead_letter_and_each_other_one_takes_effect_once(
    kafka: str, redis: Any
) -> None:
    samples = mixture(600, malformed=True)
    outcome = await flood(kafka, redis, samples, longest=60)
    assert outcome.violations == []
    assert (outcome.letters.total(), outcome.handled.count) == (200, 400)


def test_a_third_is_malformed_in_every_way() -> None:
    bad = Counter(sample.bad for sample in mixture(600, malformed=True) if sample.bad)
    assert bad.total() == 200
    assert bad.pop("too large for a letter") == HUGE
    assert bad.keys() == kinds(good(0)).keys()
    assert max(bad.values()) - min(bad.values()) <= 1


def test_what_is_lost_doubled_or_mistaken_is_a_fault() -> None:
    one, other = ("t", 0, 1), ("t", 0, 2)
    outcome = Outcome(3, 1.0, frozenset({one}), Counter({other: 2}), Tally().and_one("a"), Tally().and_one("b"))
    assert outcome.violations == [
        "1 bad messages without a dead letter",
        "1 dead letters about good messages",
        "1 dead letters too many",
        "1 of 1 messages took effect, or not those that were sent",
    ]
