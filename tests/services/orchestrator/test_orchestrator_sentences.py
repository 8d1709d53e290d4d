"""What a run says of the gates that it failed."""

from contracts.gates import Gate
from services.orchestrator.domain.judge import sentence


def test_what_several_gates_say_alike_is_said_once() -> None:
    away = "There is no service Nope"
    gates = (
        Gate.true("snapshot_stored", holds=False, detail=away),
        Gate.true("target_exists", holds=True),
        Gate.measured("health_score", 40, ">=", 70, samples=5, minimum=1),
        Gate.true("rules_watching", holds=False, detail=f"{away}."),
    )
    assert sentence(gates) == (f"snapshot_stored, rules_watching: {away}; health_score: 40, must be >= 70 (5 samples)")


def test_gates_that_pass_say_nothing() -> None:
    assert sentence((Gate.true("target_exists", holds=True),)) == ""
