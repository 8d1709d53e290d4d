"""A key of CI that the policy does not name for a service leaves no trace in the runs of the teams that it names."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.deployment import AbortRequested, DeploymentFinished
from contracts.envelope import Envelope, Message, Meta
from contracts.policy import Requests
from contracts.topics import Party
from services._chassis.signatures import Signatures, Signer, Trust
from services._chassis.signing_keys import TrustedKey
from services.orchestrator.domain.request_name import RequestName
from tests.kit import published
from tests.security.keys import record_of
from tests.security.orchestrated import Orchestrator
from tests.services.orchestrator.harness import SERVICE_POLICY, START, TARGET, asked, at

TEAMS = {name: Signer(Ed25519PrivateKey.generate()) for name in ("team-a", "team-b")}
TRUSTED = {signer.key_id: TrustedKey(Party.CI, signer.private.public_key(), name) for name, signer in TEAMS.items()}
NAMED = SERVICE_POLICY.model_copy(update={"requests": Requests(keys=("team-a",))})
META = Meta("build-7", "github/payments", at(START))
REQUEST = Envelope(META, asked()).to_message()
RUN = RequestName(TARGET, META.source, META.id).run_id
ABORT = Envelope(META, AbortRequested(target=TARGET, run_id=RUN, actor="x")).to_message()
EXPIRED = replace(META, expires_at=at(START - 60))


def header(message: Message, name: str, value: bytes) -> Message:
    kept = tuple(each for each in message.headers if each[0] != name)
    return replace(message, headers=(*kept, (name, value)))


TAKEN_FROM_OTHERS = {
    "as it is": REQUEST,
    "not readable": replace(REQUEST, value=b'{"change": 7}'),
    "no JSON": replace(REQUEST, value=b"\xff"),
    "of another target than its key": replace(REQUEST, key=b"123456789012/us-west-2/c/other"),
    "of a later version": header(REQUEST, "ce_type", b"deploy-requested.v2"),
    "of an unknown type": header(REQUEST, "ce_type", b"deploy-requested"),
    "expired": Envelope(EXPIRED, asked()).to_message(),
    "an abort": ABORT,
    "an abort that has expired": Envelope(EXPIRED, AbortRequested(target=TARGET, run_id=RUN, actor="x")).to_message(),
    "an abort that cannot be read": replace(ABORT, value=b"{}"),
}


class Asked(Orchestrator):
    """The orchestrator, whose policy names ``team-a``."""

    def __init__(self) -> None:
        super().__init__(NAMED)
        self.consumer._trust = Trust(Signatures.DEMANDED, lambda: TRUSTED)
        self._sent = 0

    async def reads(self, message: Message, team: str) -> None:
        self._sent += 1
        await self.consumer.consume(record_of(TEAMS[team].sign(message), self._sent))

    def kinds(self) -> list[str]:
        return [type(found.event).__name__ for found in published(self.store)]


@pytest.mark.parametrize("message", TAKEN_FROM_OTHERS.values(), ids=TAKEN_FROM_OTHERS)
async def test_nothing_of_a_stranger_keeps_a_team_from_its_run(message: Message) -> None:
    orchestrator = Asked()
    await orchestrator.reads(message, "team-b")
    assert orchestrator.kinds() == ["DeadLettered"], "nobody is answered"
    await orchestrator.reads(REQUEST, "team-a")
    assert orchestrator.started == [(TARGET, RUN)]
    assert orchestrator.events(DeploymentFinished) == []


@pytest.mark.parametrize("message", [TAKEN_FROM_OTHERS["not readable"], TAKEN_FROM_OTHERS["of a later version"]])
async def test_who_may_ask_is_told_that_its_request_cannot_be_read(message: Message) -> None:
    orchestrator = Asked()
    await orchestrator.reads(message, "team-a")
    assert sorted(orchestrator.kinds()) == ["DeadLettered", "DeploymentFinished"]
    assert [end.run_id for end in orchestrator.events(DeploymentFinished)] == [RUN]
