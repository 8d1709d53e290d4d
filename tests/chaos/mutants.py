"""Mutants: each removes one protection when the application is built, to show that a test notices it.

No setting of the product can do this; the harness (``--mutant``) and the test suite (``pytest --mutant``) patch the
code of their own process. ``MUTANTS`` says what each breaks and which test must notice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from services._chassis import job_leases, store
from services._chassis.apply_call import keys_and_arguments
from services._chassis.consumer import Consumer
from services._chassis.relay import Relay
from services._chassis.signatures import Trust
from services._chassis.store import RedisStore
from services.orchestrator.domain import steps
from services.orchestrator.domain.version_hold import VersionHold
from services.orchestrator.handlers import Handlers
from services.recovery.decisions import scale
from services.recovery.domain import arm
from services.recovery.domain.migration.migration import Migration
from services.recovery.domain.protection import Protection
from services.recovery.domain.rollback import roll_back as rolling

CAUSE = 0
"""Index of the cause in the arguments of ``apply.lua``."""


@dataclass(frozen=True, slots=True)
class Mutant:
    breaks: str
    noticed_by: str
    """A pytest node id."""
    install: Callable[[], None]


def _argument(place: int, value: str) -> Callable[[], None]:
    """Return a patch that gives ``apply.lua`` a fixed argument, with which a protection does not work."""

    def install() -> None:
        right = keys_and_arguments

        def wrong(*arguments: Any) -> Any:
            keys, values = right(*arguments)
            values[place] = value
            return keys, values

        store.keys_and_arguments = wrong  # type: ignore[attr-defined,assignment]

    return install


def _script(*changes: tuple[str, str]) -> Callable[[], None]:
    """Change the text of the scripts of jobs."""

    def install() -> None:
        for name in ("_CLAIM", "_RENEW"):
            text = getattr(job_leases, name)
            for old, new in changes:
                text = text.replace(old, new)
            setattr(job_leases, name, text)

    return install


def _apply_without(answer: str) -> Callable[[], None]:
    """Return a patch with which ``apply.lua`` goes on where it would return ``answer``."""

    def install() -> None:
        right = RedisStore.__init__

        def wrong(self: RedisStore, redis: Any, *arguments: Any) -> None:
            class Rewriting:
                def register_script(self, text: str) -> Any:
                    return redis.register_script(text.replace(f'then return "{answer}" end', "then end"))

            right(self, Rewriting(), *arguments)
            self.redis = redis

        RedisStore.__init__ = wrong  # type: ignore[method-assign,assignment]

    return install


def _no_fence() -> None:
    _apply_without("fenced")()
    _script(('~= ARGV[2] or redis.call("HGET", KEYS[2], "state") ~= "running"', "== false"))()


def _no_outbox() -> None:
    right = Relay._relay

    async def wrong(self: Relay, entries: Any) -> None:
        for id_, _ in entries:
            await self._redis.xack(self._outbox, "relay", id_)
            await self._redis.xdel(self._outbox, id_)
        await right(self, entries)

    Relay._relay = wrong  # type: ignore[method-assign]


def _no_reconciler() -> None:
    def nothing(run: Any, now: float) -> Any:
        return run.replace(reconcile_at=now + 30)
        yield

    steps.reconcile = nothing


def _no_disarming() -> None:
    arm.disarm = lambda protection, run_id, now: None


def _own_events_ignored() -> None:
    async def nothing(*_: object) -> None:
        return None

    Handlers.on_own_event = nothing  # type: ignore[method-assign,assignment]


def _own_events_always_believed() -> None:
    Consumer._again = lambda *_: True  # type: ignore[method-assign]


def _everybody_believed() -> None:
    Trust.prove = lambda self, record, type_, meta: meta  # type: ignore[method-assign]


def _any_base() -> None:
    Protection.deployment_of = lambda *_: None  # type: ignore[method-assign]


def _lent_for_ever() -> None:
    right = scale.end_timer
    scale.end_timer = lambda work, at: right(work, at + timedelta(days=365))


def _asked_with_any_token() -> None:
    Migration.token = property(lambda self: str(uuid4()))  # type: ignore[method-assign,assignment]


def _nothing_stopped_by_holds() -> None:
    VersionHold.stops = lambda *_, **__: False  # type: ignore[method-assign]


def _stack_raced() -> None:
    rolling._is_stacks_turn = lambda *_: False


_COURSE = "tests/services/recovery/test_recovery_course.py"
_STORE = "tests/chassis/test_store_apply.py"
MUTANTS: dict[str, Mutant] = {
    "inbox": Mutant("no message is known again", f"{_STORE}::test_same_cause_once", _argument(CAUSE, "")),
    "compare-and-set": Mutant(
        "a state is replaced that was not decided on",
        f"{_STORE}::test_no_update_is_lost_when_many_decide_at_once",
        _apply_without("conflict"),
    ),
    "fence": Mutant(
        "an executor that has lost a job may still end it",
        f"{_STORE}::test_a_lost_lease_fences_its_holder",
        _no_fence,
    ),
    "outbox": Mutant(
        "an event is forgotten before Kafka has confirmed it",
        "tests/chassis/test_relay.py::test_what_kafka_has_not_confirmed_is_published_again",
        _no_outbox,
    ),
    "reconciler": Mutant(
        "an answer that does not come is not asked for again",
        "tests/services/orchestrator/test_orchestrator_course.py"
        "::test_unanswered_commands_are_sent_again_with_the_same_id",
        _no_reconciler,
    ),
    "lease-eternal": Mutant(
        "the job of a dead executor is not taken over",
        f"{_STORE}::test_a_lost_lease_fences_its_holder",
        _script(("now + ARGV[2]", "now + 86400000")),
    ),
    "lease-ignored": Mutant(
        "two executors work on one job",
        "tests/chassis/test_jobs.py::test_what_one_executor_holds_another_does_not_take",
        _script(("now + ARGV[2], ARGV[1]", "now, ARGV[1]"), ("/ 1000) + ARGV[3]", "/ 1000)")),
    ),
    "disarm": Mutant(
        "recovery says that it has disarmed, and stands ready all the same",
        f"{_COURSE}::test_who_disarms_first_is_not_rolled_back",
        _no_disarming,
    ),
    "another-run": Mutant(
        "what was decided on the Redis that was is written into the older copy that came back",
        "tests/chassis/test_catch_up.py::test_nothing_is_written_into_an_older_copy_before_reading_has_gone_back",
        _apply_without("another run"),
    ),
    "own-word": Mutant(
        "the orchestrator does not replay what it has published itself",
        "tests/services/orchestrator/test_orchestrator_restored.py"
        "::test_an_active_run_ends_as_it_was_told_and_nothing_is_told_again",
        _own_events_ignored,
    ),
    "own-word-always": Mutant(
        "the orchestrator believes at any time what comes in its name",
        "tests/security/test_own_word.py::test_its_own_event_changes_nothing",
        _own_events_always_believed,
    ),
    "believed": Mutant(
        "whoever may write to Kafka is believed",
        "tests/security/test_untrusted.py::test_each_type_from_each_stranger_is_a_dead_letter_and_nothing_else",
        _everybody_believed,
    ),
    "lent-for-ever": Mutant(
        "what an emergency scaling has set is never restored",
        "tests/services/recovery/test_recovery_scaling.py"
        "::test_the_body_of_the_requirements_scales_for_an_hour_and_what_was_there_comes_back",
        _lent_for_ever,
    ),
    "any-token": Mutant(
        "whoever asks for a migration's task once more asks for another one",
        "tests/services/recovery/test_recovery_migration.py::test_an_answer_that_is_lost_asks_again_for_the_same_task",
        _asked_with_any_token,
    ),
    "unheld": Mutant(
        "what a rollback has taken back may be deployed again",
        "tests/services/orchestrator/test_version_holds.py"
        "::test_what_was_rolled_back_is_not_deployed_again_by_ci_until_it_is_released",
        _nothing_stopped_by_holds,
    ),
    "raced-stack": Mutant(
        "a stack of CloudFormation that goes back by itself is raced",
        "tests/services/recovery/test_recovery_stacks.py::test_a_rollback_by_hand_watches_as_well",
        _stack_raced,
    ),
    "any-base": Mutant(
        "a change replaces whatever is live",
        f"{_COURSE}::test_only_what_the_snapshot_shows_is_replaced",
        _any_base,
    ),
}


def install(name: str) -> None:
    """Remove the protection from this process. Raise ``KeyError`` for an unknown mutant."""
    MUTANTS[name].install()
