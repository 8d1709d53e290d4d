"""An outsider who may write to every topic: what he forges must have no effect but a dead letter.

He has the key of CI, which is right for requests, and he has read all that went over the bus.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from contracts.base import Event
from contracts.deployment import Cause, DeploymentFinished, Outcome
from contracts.envelope import Envelope, Message, Meta
from contracts.gates import Verdict
from contracts.monitor import CriticalAlert
from contracts.recovery import Disarm, RollBack, TargetDisarmed
from contracts.results import StepFinished
from contracts.topics import COMMAND_TOPICS, Party
from surefoot.signing import signed
from tests.chaos.observer import BAD


def forged(random: Random, number: int, seen: Sequence[Envelope], environment: Mapping[str, str]) -> Message | None:
    """Return a forged message, each time another; None while nothing is known that he could forge."""
    commands = [envelope for envelope in seen if envelope.entry.topic in COMMAND_TOPICS]
    if not commands:
        return None
    command = random.choice(commands[-20:])
    event, id_, writer = _lie(random, number, command)
    meta = Meta(id_, f"surefoot/{writer}", datetime.now(UTC), run_id=command.meta.run_id)
    message = Envelope(meta, event).to_message()
    message = replace(message, headers=(*message.headers, (BAD, b"1")))
    match random.randrange(3):
        case 0:
            return message
        case 1:
            return signed(message, Party.CI, environment)
        case _:
            # a signature that he was given for a request of his own, under another message
            signature = signed(replace(message, value=b"{}"), Party.CI, environment).headers[-1]
            return replace(message, headers=(*message.headers, signature))


def _lie(random: Random, number: int, command: Envelope) -> tuple[Event, str, Party]:
    """Return an event that would do harm if it were believed, its id, and in whose name it is written."""
    assert isinstance(command.event, Event)
    target, run_id, id_ = command.event.target, command.meta.run_id or "", f"forged-{number}"
    match random.randrange(6):
        case 0:
            lie = DeploymentFinished(
                target=target, run_id=run_id, outcome=Outcome.SUCCEEDED, reason="All is well.", seconds=1
            )
            return lie, id_, Party.ORCHESTRATOR
        case 1:
            passed = random.random() < 0.5
            answer = StepFinished(
                target=target,
                run_id=run_id,
                command_id=command.meta.id,
                step=command.entry.name,
                verdict=Verdict.PASS if passed else Verdict.FAIL,
                cause=None if passed else Cause.GATE,
                summary="So it is.",
            )
            return answer, id_, COMMAND_TOPICS[command.entry.topic]
        case 2:
            return Disarm(target=target, run_id=run_id), id_, Party.ORCHESTRATOR
        case 3:
            return RollBack(target=target, run_id=run_id, trigger="because"), id_, Party.ORCHESTRATOR
        case 4:
            return TargetDisarmed(target=target, run_id=run_id, reason="finished"), id_, Party.RECOVERY
        case _:
            # under the id of a command, so that an inbox that asks for ids alone would drop the command
            now = datetime.now(UTC)
            alert = CriticalAlert(
                target=target, alert_id=id_, rule="error_rate", state="resolved", value=0, comparison=">",
                threshold=10, samples=100, began_at=now, detail="nothing",
            )  # fmt: skip
            return alert, command.meta.id, Party.MONITOR
