"""A command gets exactly one answer, whoever gives it."""

from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from contracts.base import Event, caused_id
from contracts.catalogue import CATALOGUE, entry_of
from contracts.deployment import Cause
from contracts.envelope import Envelope, Meta
from contracts.gates import Gate, Verdict
from contracts.policy import Recovery
from contracts.policy_parts import RecoveryPolicy
from contracts.publish import examples_of
from contracts.recovery import CaptureSnapshot
from contracts.results import StepFinished, answer_id
from contracts.topics import COMMAND_TOPICS
from sandbox.virtual.redis import MemoryRedis
from services._chassis.clock import Pace, PacedClock, moment
from services._chassis.commands import Command
from services._chassis.dead_letters import unsupported
from services._chassis.store import RedisStore
from services._chassis.transition import decided
from tests.chassis.harness import TARGET

META = Meta(id="id", source="surefoot/orchestrator", time=moment(0), run_id="run")
COMMAND = Command.of(CaptureSnapshot(target=TARGET, run_id="run", purpose="before-change"), META)
YES, NO, UNKNOWN = (Gate.true("g", holds) for holds in (True, False, None))
COMMANDS = [entry for entry in CATALOGUE if entry.topic in COMMAND_TOPICS]


def answered(emission: Any) -> StepFinished:
    assert isinstance(emission.event, StepFinished)
    assert emission.event.command_id == "id"
    return emission.event


def test_an_answer_has_one_id_that_never_changes() -> None:
    assert answer_id("id") == caused_id("id", "finished") == "2e9c51dd-63c2-5879-8931-44628fe1804f"
    ways = (
        COMMAND.passed("done", YES),
        COMMAND.failed("no", Cause.GATE, NO),
        COMMAND.inconclusive("unknown", Cause.TIMEOUT),
        COMMAND.from_gates((YES,), "done"),
        COMMAND.gave_up("gave up after 5 attempts"),
    )
    assert {emission.id for emission in ways} == {answer_id("id")}


@pytest.mark.parametrize(
    ("gates", "verdict", "cause"),
    [
        ((YES, YES), Verdict.PASS, None),
        ((YES, NO, UNKNOWN), Verdict.FAIL, Cause.GATE),
        ((YES, UNKNOWN), Verdict.INCONCLUSIVE, Cause.ERROR),
        ((), Verdict.INCONCLUSIVE, Cause.ERROR),
    ],
)
def test_the_worst_gate_decides(gates: tuple[Gate, ...], verdict: Verdict, cause: Cause | None) -> None:
    answer = answered(COMMAND.from_gates(gates, "seen"))
    assert (answer.verdict, answer.cause, answer.gates, answer.summary) == (verdict, cause, gates, "seen")


def test_a_service_may_name_other_causes() -> None:
    inconclusive = COMMAND.from_gates((UNKNOWN,), "seen", inconclusive=Cause.DEPENDENCY)
    assert answered(inconclusive).cause is Cause.DEPENDENCY
    assert answered(COMMAND.from_gates((NO,), "seen", failed=Cause.USAGE)).cause is Cause.USAGE


def test_a_job_describes_the_command_that_it_answers() -> None:
    job = COMMAND.job("capture", b"payload")
    assert (job.id, job.kind, job.payload) == ("id", "capture", b"payload")
    assert Command.read(job.asked_by, job.id) == COMMAND


def test_what_the_previous_version_wrote_beside_its_jobs_is_read() -> None:
    written = b'{"step":"capture-snapshot","target":"123456789012/us-west-2/c/s","run_id":"run"}'
    assert Command.read(written, "id") == COMMAND


def test_every_answer_names_the_policy_that_its_command_carries() -> None:
    policy = RecoveryPolicy(digest="1" * 64, recovery=Recovery())
    event = CaptureSnapshot(target=TARGET, run_id="run", purpose="before-change", policy=policy)
    command = Command.of(event, META)
    lost = Command.read(command.job("capture", b"").asked_by, "id").gave_up("gave up after 5 attempts")
    assert {answered(emission).policy_digest for emission in (command.passed("done", YES), lost)} == {"1" * 64}
    assert answered(COMMAND.passed("done", YES)).policy_digest == ""


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_the_step_is_the_name_in_the_catalogue(entry: Any) -> None:
    event = entry.contract.model_validate_json(examples_of(entry.type)[0])
    assert Command.of(event, META).step == entry.name == entry_of(entry.contract).name


def test_an_unknown_command_is_answered_under_an_id_of_its_own() -> None:
    """After an upgrade the same command is answered properly, and that answer must not be taken for this one."""
    event = CaptureSnapshot(target=TARGET, run_id="run", purpose="before-change")
    message = Envelope(META, event).to_message()
    record: Any = ConsumerRecord(
        message.topic, 0, 0, 0, 0, message.key, message.value, None, 0, 0, message.headers
    )  # fmt: skip
    (emission,) = unsupported(record, "paint-it-black.v1", META, "the type is unknown here")
    answer = answered(emission)
    assert (answer.step, answer.cause, answer.verdict) == ("paint-it-black", Cause.UNSUPPORTED, Verdict.INCONCLUSIVE)
    assert emission.id != answer_id("id")


async def test_a_command_that_comes_again_gets_its_answer_again_from_whatever_emitted_it() -> None:
    store = RedisStore(MemoryRedis(), "recovery", PacedClock(Pace()))
    await store.apply(decided(COMMAND.passed("done")), cause="another cause, as a look that was due")
    await store.answer_again("id")
    first, again = await store.redis.xrange(store.key("outbox"))
    assert first[1] == again[1]


def test_events_that_are_no_commands_are_not_answered() -> None:
    """The catalogue names every step; a class outside it has none."""

    class Unlisted(Event):
        run_id: str = "run"

    with pytest.raises(KeyError):
        Command.of(Unlisted(target=TARGET), META)
