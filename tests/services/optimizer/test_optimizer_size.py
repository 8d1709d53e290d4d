"""Sizes: never below what was needed, never a guess without data."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.gates import Verdict
from contracts.optimizer import FargateSize
from services.optimizer.domain.analysis import Deployed, analyze
from services.optimizer.domain.fargate import MEMORIES, smallest
from services.optimizer.domain.price import hourly, monthly_saving
from services.optimizer.domain.series import DAY, HOUR, coverage, growth_a_day, percentile, span
from services.optimizer.domain.size import HEAD_ROOM, Resource, Usage, advise, confidence, enough

START = 1_764_000_000.0 // HOUR * HOUR
LARGE = FargateSize(cpu=2048, memory=8192)


def usage(cpu: float, memory: float, hours: float = 24, every: int = 1) -> Usage:
    """Constant utilisation; ``every``: only each n-th minute has a point."""
    minutes = [START + index * 60 for index in range(0, round(hours * 60), every)]
    return Usage(dict.fromkeys(minutes, cpu), dict.fromkeys(minutes, memory), 60)


def deployed(**changes: object) -> Deployed:
    return Deployed(size=LARGE, tasks=3, architecture="X86_64", on_demand=True).model_copy(update=changes)


def test_the_table_has_fargates_pairs() -> None:
    assert {cpu: (memories[0], memories[-1], len(memories)) for cpu, memories in MEMORIES.items()} == {
        256: (512, 2048, 3),
        512: (1024, 4096, 4),
        1024: (2048, 8192, 7),
        2048: (4096, 16384, 13),
        4096: (8192, 30720, 23),
        8192: (16384, 61440, 12),
        16384: (32768, 122880, 12),
    }


@given(st.floats(0, 16384), st.floats(0, 122880))
def test_the_smallest_size_holds_what_is_needed_and_no_cheaper_one_does(cpu: float, memory: float) -> None:
    size = smallest(cpu, memory)
    assert size is not None
    assert size.cpu >= cpu
    assert size.memory >= memory
    cost = hourly(size, "us-east-1", "X86_64") or 0
    for units, memories in MEMORIES.items():
        for mebibytes in memories:
            if units >= cpu and mebibytes >= memory:
                other = hourly(FargateSize(cpu=units, memory=mebibytes), "us-east-1", "X86_64") or math.inf
                assert cost <= other


def test_nothing_is_large_enough_for_everything() -> None:
    assert smallest(16385, 1) is None
    advice = advise(usage(95, 95), FargateSize(cpu=16384, memory=122880), frozenset())
    assert advice.kind == "keep"
    assert "run more tasks" in advice.reason


@pytest.mark.parametrize(
    ("cpu", "memory", "kind", "recommended"),
    [
        (20, 20, "scale-down", FargateSize(cpu=512, memory=2048)),
        (95, 95, "scale-up", FargateSize(cpu=4096, memory=10240)),
        (70, 80, "keep", LARGE),
        (95, 40, "scale-up", FargateSize(cpu=4096, memory=8192)),
        (40, 95, "scale-up", FargateSize(cpu=2048, memory=10240)),  # 1 vCPU has 8 GB at most
    ],
)
def test_advice(cpu: float, memory: float, kind: str, recommended: FargateSize) -> None:
    advice = advise(usage(cpu, memory), LARGE, frozenset())
    assert (advice.kind, advice.recommended) == (kind, recommended)


def test_less_cpu_and_more_memory_is_a_right_size() -> None:
    advice = advise(usage(10, 90), FargateSize(cpu=1024, memory=2048), frozenset())
    assert (advice.kind, advice.recommended) == ("right-size", FargateSize(cpu=512, memory=3072))


def test_a_peak_of_an_hour_counts() -> None:
    busy = usage(20, 20)
    peak = {at: 90.0 if START + 14 * HOUR <= at < START + 15 * HOUR else value for at, value in busy.cpu.items()}
    advice = advise(Usage(peak, busy.memory, 60), LARGE, frozenset())
    assert advice.recommended.cpu == 4096


def test_a_single_minute_of_memory_counts_too() -> None:
    seen = usage(20, 20)
    memory = dict(seen.memory)
    memory[START + 5 * HOUR] = 90.0
    assert advise(Usage(seen.cpu, memory, 60), LARGE, frozenset()).recommended.memory >= 0.9 * LARGE.memory


per_cents = st.lists(st.floats(0.1, 100), min_size=200, max_size=260)


@given(
    cpu=per_cents,
    memory=per_cents,
    size=st.sampled_from([FargateSize(cpu=cpu, memory=memory[0]) for cpu, memory in list(MEMORIES.items())[:5]]),
    tracked=st.frozensets(st.sampled_from(["cpu", "memory"])),
)
def test_advice_never_goes_below_what_was_needed(
    cpu: list[float], memory: list[float], size: FargateSize, tracked: frozenset[Resource]
) -> None:
    def series(values: list[float]) -> dict[float, float]:
        return {START + index * 60: value for index, value in enumerate(values)}

    advice = advise(Usage(series(cpu), series(memory), 60), size, tracked)
    recommended = advice.recommended
    assert recommended.memory in MEMORIES[recommended.cpu]
    assert recommended.memory >= size.memory * max(memory) / 100
    if "cpu" not in tracked:
        assert recommended.cpu >= size.cpu * percentile(cpu, 99) / 100 * HEAD_ROOM
    else:
        assert recommended.cpu >= size.cpu
    assert 50 <= advice.confidence <= 100


def test_automatic_scaling_by_cpu_keeps_the_cpu() -> None:
    advice = advise(usage(10, 10), LARGE, frozenset({"cpu"}))
    assert advice.recommended == FargateSize(cpu=2048, memory=4096)
    assert "no advice on CPU" in advice.reason


def test_a_leak_keeps_the_memory() -> None:
    seen = usage(20, 20)
    growing = {at: 20 + (at - START) / DAY * 12 for at in seen.memory}
    advice = advise(Usage(seen.cpu, growing, 60), LARGE, frozenset())
    assert advice.recommended.memory == LARGE.memory
    assert "memory grows by 12.0 points a day" in advice.reason


def test_a_day_of_traffic_and_one_restart_are_no_leak() -> None:
    day = {START + index * 60: 50 + 10 * math.sin(index / 1440 * math.tau) for index in range(1440)}
    assert growth_a_day(day) is None
    sawtooth = {START + index * 60: 30 + (index % 360) / 36 for index in range(1440)}
    assert growth_a_day(sawtooth) is None
    spiky = {START + index * 60: 90.0 if index % 97 == 0 else 40.0 for index in range(1440)}
    assert growth_a_day(spiky) is None


@pytest.mark.parametrize(
    ("hours", "every", "least", "most"), [(24, 1, 95, 95), (24, 2, 70, 89), (12, 1, 65, 75), (3, 1, 50, 60)]
)
def test_confidence_needs_a_whole_day(hours: float, every: int, least: float, most: float) -> None:
    assert least <= confidence(usage(20, 20, hours, every)) <= most


def test_less_than_three_hours_say_nothing_but_what_is_missing() -> None:
    gate = enough(usage(20, 20, hours=2))
    assert gate.verdict is Verdict.INCONCLUSIVE
    assert (gate.value, gate.needs, gate.detail) == (2, 60, "1.0 more hours of metrics are needed")
    assert enough(usage(20, 20, hours=3)).verdict is Verdict.PASS
    nothing = analyze(deployed(), Usage({}, {}, 60), "us-east-1")
    assert [gate.verdict for gate in nothing.gates] == [Verdict.INCONCLUSIVE] * 2
    assert (nothing.advice, nothing.baseline) == (None, None)


def test_what_was_measured_at_another_size_does_not_count() -> None:
    changed = deployed(sized_at=START + 22 * HOUR)
    analysis = analyze(changed, usage(20, 20), "us-east-1")
    assert analysis.advice is None
    assert "the size may have changed" in analysis.summary


def test_a_saving_is_arithmetic() -> None:
    # 2 vCPU with 8 GB: 2 x 0.04048 + 8 x 0.004445 = 0.11652 an hour; 0.5 vCPU with 2 GB: 0.02913
    saving = monthly_saving(LARGE, FargateSize(cpu=512, memory=2048), 3, "us-west-2", "X86_64")
    assert saving == round((0.11652 - 0.02913) * 730 * 3, 2)
    arm = monthly_saving(LARGE, FargateSize(cpu=512, memory=2048), 3, "us-west-2", "ARM64")
    assert arm == round((0.11652 - 0.02913) * 0.8 * 730 * 3, 2)
    assert (monthly_saving(FargateSize(cpu=512, memory=2048), LARGE, 1, "us-east-1", "X86_64") or 0) < 0


@pytest.mark.parametrize(("region", "on_demand"), [("mars-north-1", True), ("us-east-1", False)])
def test_an_unknown_price_is_said_and_not_guessed(region: str, on_demand: bool) -> None:
    analysis = analyze(deployed(on_demand=on_demand), usage(20, 20), region)
    assert analysis.advice is not None
    assert analysis.monthly_saving_usd is None
    assert "not known" in analysis.summary


def test_percentiles_spans_and_coverage() -> None:
    assert percentile([1, 2, 3, 4], 50) == 2.5
    assert percentile([7], 99) == 7
    assert percentile(list(range(101)), 99) == 99
    seen = usage(1, 1, hours=1, every=2).cpu
    assert span(seen, 60) == 59 * 60
    assert coverage(seen, 60) == pytest.approx(30 / 59)
    assert (span({}, 60), coverage({}, 60)) == (0, 0)
