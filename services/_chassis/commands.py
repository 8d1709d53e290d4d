"""Commands and their answers. A command gets exactly one answer.

Its handler emits the answer at once, or inserts a job (``Command.job``) that emits it at its end; for a command that
only work can answer, ``becomes_job`` is the handler. The answer's id derives from the command's
(``contracts.results.answer_id``), and the store keeps the answer for 31 days, so that a command that is delivered
again gets the same one again. The chassis answers where no code of the service can: for a job that failed for good
(``gave_up``), and for a command of a type that this version does not know (``unsupported``).
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self

import orjson

from contracts.base import Event, Target, caused_id
from contracts.catalogue import entry_of
from contracts.deployment import Cause
from contracts.envelope import Meta
from contracts.gates import Gate, Verdict, worst
from contracts.policy_parts import PolicyPart
from contracts.results import Output, StepFinished, StepProgressed, answer_id
from services._chassis.transition import Emit, Job, Transition, decided


class CommandEvent(Protocol):
    """A command's event, which belongs to a run."""

    @property
    def target(self) -> Target: ...

    @property
    def run_id(self) -> str: ...


class Identified(Protocol):
    """Anything with a command's id: the attributes of its message, or the job that works on it."""

    @property
    def id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Command:
    """A command that waits for its answer. Each way to answer returns the event to emit."""

    target: Target
    run_id: str
    id: str
    step: str
    """The command's type without its version: ``capture-snapshot``."""
    policy_digest: str = ""
    """Digest of the policy that the command carries; each of its answers names it."""

    @classmethod
    def of(cls, event: CommandEvent, carrier: Identified) -> Self:
        """Return the command of ``event``. Raise ``KeyError`` for an event that is not in the catalogue."""
        policy: PolicyPart | None = getattr(event, "policy", None)
        digest = policy.digest if policy else ""
        return cls(event.target, event.run_id, carrier.id, entry_of(type(event)).name, digest)  # type: ignore[arg-type]

    @classmethod
    def to(cls, contract: type[Event], target: Target, run_id: str, id_: str, policy_digest: str = "") -> Self:
        """Return a command from the parts of it that a service has kept."""
        return cls(target, run_id, id_, entry_of(contract).name, policy_digest)

    @classmethod
    def read(cls, described: bytes, id_: str) -> Self:
        """Return what ``described`` wrote."""
        parts = orjson.loads(described)
        target = Target.parse(parts["target"])
        return cls(target, parts["run_id"], id_, parts["step"], parts.get("policy_digest", ""))

    @property
    def described(self) -> bytes:
        """Return what a job keeps of the command that it answers; ``read`` reads it back."""
        parts = {"step": self.step, "target": str(self.target), "run_id": self.run_id}
        return orjson.dumps(parts | ({"policy_digest": self.policy_digest} if self.policy_digest else {}))

    def job(self, kind: str, payload: bytes) -> Job:
        """Return a job whose end answers the command."""
        return Job(self.id, kind, payload, self.described)

    def passed(self, summary: str, *gates: Gate, output: Output | None = None) -> Emit:
        return self.answer(Verdict.PASS, summary, gates, output=output)

    def failed(self, summary: str, cause: Cause, *gates: Gate) -> Emit:
        return self.answer(Verdict.FAIL, summary, gates, cause)

    def inconclusive(self, summary: str, cause: Cause, *gates: Gate) -> Emit:
        return self.answer(Verdict.INCONCLUSIVE, summary, gates, cause)

    def from_gates(
        self,
        gates: Iterable[Gate],
        summary: str,
        *,
        failed: Cause = Cause.GATE,
        inconclusive: Cause = Cause.ERROR,
        output: Output | None = None,
    ) -> Emit:
        """Answer with the worst verdict of ``gates``, and with its cause where that is not a pass."""
        gates = tuple(gates)
        verdict = worst(gate.verdict for gate in gates)
        cause = {Verdict.PASS: None, Verdict.FAIL: failed, Verdict.INCONCLUSIVE: inconclusive}[verdict]
        return self.answer(verdict, summary, gates, cause, output)

    def answer(
        self,
        verdict: Verdict,
        summary: str,
        gates: tuple[Gate, ...] = (),
        cause: Cause | None = None,
        output: Output | None = None,
    ) -> Emit:
        """Answer the command. ``summary`` is one sentence for a person; ``cause`` is None for a pass."""
        return Emit(self._finished(verdict, summary, gates, cause, output), answer_id(self.id))

    def gave_up(self, why: str) -> Emit:
        """Answer for a job that failed for good; ``why`` completes the sentence that its step begins."""
        return self.inconclusive(f"{self.step} {why}", Cause.ERROR)

    def unsupported(self, why: str) -> Emit:
        """Answer in the name of a service that does not know the command.

        The event's id differs from the answer's: after an upgrade the command may be replayed, and is answered then.
        """
        finished = self._finished(Verdict.INCONCLUSIVE, why, (), Cause.UNSUPPORTED, None)
        return Emit(finished, caused_id(self.id, "unsupported"))

    def progressed(self, message: str, nth: str, silent_until: datetime | None = None) -> Emit:
        """Publish how far the work is. ``nth`` distinguishes this message from the command's others.

        ``silent_until``: until when (product time) the work may publish nothing and still go on.
        """
        event = StepProgressed(
            target=self.target,
            run_id=self.run_id,
            command_id=self.id,
            step=self.step,
            message=message,
            silent_until=silent_until,
        )
        return Emit(event, caused_id(self.id, f"progress:{nth}"))

    def _finished(
        self, verdict: Verdict, summary: str, gates: tuple[Gate, ...], cause: Cause | None, output: Output | None
    ) -> StepFinished:
        return StepFinished(
            target=self.target,
            run_id=self.run_id,
            command_id=self.id,
            step=self.step,
            verdict=verdict,
            gates=gates,
            cause=cause,
            summary=summary,
            output=output,
            policy_digest=self.policy_digest,
        )


def becomes_job(kind: str) -> Callable[[Any, Meta], Awaitable[Transition]]:
    """Return a handler that begins a job of ``kind``, whose payload is the command and whose end answers it."""

    async def handle(command: Any, meta: Meta) -> Transition:
        return decided(jobs=(Command.of(command, meta).job(kind, command.model_dump_json().encode()),))

    return handle
