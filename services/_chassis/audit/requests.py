"""The audit of requests over HTTP: who asks and from where, what was allowed, what was refused."""

import uuid
from dataclasses import dataclass, field, replace

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.audit import Act, Who
from services._chassis.access.caller import Caller, Decision
from services._chassis.access.decision_log import SAFE, DecisionLog
from services._chassis.audit.acts import Audited, Origin, origin
from services._chassis.audit.recorder import Recorder

FAILED = "failed"


def who_of(caller: Caller | None) -> Who:
    """Return a caller as the audit names it; nobody where none was proven."""
    return Who(name=caller.name, proof=caller.proof, credential=caller.credential) if caller else Who(proof="none")


@dataclass(frozen=True, slots=True)
class RequestAudit:
    """What is told of every decision about a request (``Access.report``)."""

    recorder: Recorder = field(default_factory=Recorder)
    log: DecisionLog = field(default_factory=DecisionLog)

    def __call__(self, decision: Decision) -> None:
        """Log it; record a refusal, or have what was allowed recorded with the state that it changes."""
        self.log(decision)
        if not decision.allowed:
            self.recorder.refused(
                who_of(decision.caller), decision.act, decision.why, decision.address, decision.target
            )
            if (asked := origin.get()) is not None:
                asked.pending = None
        elif decision.act.partition(" ")[0] not in SAFE and (asked := origin.get()) is not None:
            asked.pending = _allowed(decision, asked.pending)

    async def serve(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, caller: Caller, address: str
    ) -> None:
        """Serve a request of a caller. One that was allowed and has changed no state is recorded at its end."""
        if scope["method"] in SAFE:
            await app(scope, receive, send)
            return
        asked, outcome = Origin(who_of(caller), address), FAILED

        async def noted(message: Message) -> None:
            nonlocal outcome
            if message["type"] == "http.response.start":
                outcome = f"answered {message['status']}"
            await send(message)

        token = origin.set(asked)
        try:
            await app(scope, receive, noted)
        finally:
            origin.reset(token)
            if (act := asked.let_in) is not None:
                self.recorder.act(replace(act, outcome=outcome), asked)


def _allowed(decision: Decision, before: Audited | None) -> Audited:
    """Return the act of a request; a route may decide about it twice, first without and then with its target."""
    return Audited(
        Act.REQUEST_ALLOWED,
        before.id if before else str(uuid.uuid4()),
        decision.target,
        outcome="allowed",
        details=(decision.act,),
    )
