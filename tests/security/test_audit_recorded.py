"""What is recorded: each act once and with its state, each refusal within a bound, and no secret."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.access import Role
from contracts.audit import Act, AuditEntry, Who
from contracts.base import caused_id
from contracts.catalogue import CATALOGUE, entry_of_type
from contracts.dead_letter import LETTER_HEADER
from contracts.deployment import Cause, DeployRequested, ImageChange
from contracts.envelope import Envelope, Meta
from contracts.gates import Gate
from contracts.publish import examples_of
from contracts.recovery import CHANGE_ACCEPTED, CHANGE_APPLIED, ApplyChange, Arm, ManualTrigger, RollbackStarted
from contracts.topics import Party
from services._chassis import unhandled
from services._chassis.access import api_keys
from services._chassis.access.decision_log import MOST_REFUSALS
from services._chassis.access.guard import Access
from services._chassis.access.key_ring import CHANGES
from services._chassis.access.served import Served
from services._chassis.assembly import create_service, load_settings
from services._chassis.audit.acts import Audited
from services._chassis.audit.events import act_of
from services._chassis.audit.keys import KeyAudit
from services._chassis.audit.messages import come_from
from services._chassis.audit.recorder import Recorder
from services._chassis.commands import Command
from services._chassis.http import PREFIX, create_http
from services._chassis.policy import StoredCopy
from services._chassis.readiness import Readiness
from services._chassis.redis_keys import AUDIT
from services._chassis.service import Platform
from services._chassis.store import RedisStore
from services._chassis.transition import Decision, Emit, Transition, decided
from services._policy.files import File, Files
from services._policy.kept import Kept, as_bytes
from tests.kit import FakeClock, FakePolicies, memory_store
from tests.security.access import OURS, Keys, bearer, client, ready
from tests.security.keys import record_of, source_of
from tests.security.orchestrated import KEYS, Orchestrator
from tests.security.test_fuzz import NOW, DenyingAws
from tests.services.orchestrator.harness import START, TARGET, at
from tests.services.orchestrator.harness import asked as request

SECRET = "correct-horse-battery"
TEXTS = (
    f"password={SECRET}",
    f"https://user:{SECRET}@example.org/x",
    f"AWS_SECRET_ACCESS_KEY={SECRET}",
    "\x1b[31mred\n",
)


def recorded(store: RedisStore) -> list[AuditEntry]:
    """Return what waits to be sealed."""
    waiting = store.redis.stream(store.key(AUDIT))
    return [AuditEntry.model_validate_json(fields[b"entry"]) for _, fields in waiting]


def acts(store: RedisStore) -> list[str]:
    return [entry.act for entry in recorded(store)]


@dataclass
class Recovery:
    """Recovery's API with credentials, and its audit."""

    keys: Keys = field(default_factory=Keys)

    def __post_init__(self) -> None:
        clock = FakeClock(NOW)
        self.store = memory_store(Party.RECOVERY, clock)
        self.access = Access(Served.DEMANDED, keys=self.keys.ring())
        self.access.policies = FakePolicies()
        self.recorder = self.access.audit.recorder
        self.readiness = Readiness()
        self.recorder.begin(self.store, self.keys.now, self.readiness)
        self.http = create_http(ready, access=self.access)
        settings = load_settings(
            Party.RECOVERY, aws_account=OURS.account, aws_region=OURS.region, backup_bucket="snapshots", _env_file=None
        )
        platform = Platform(self.store, clock, DenyingAws(), policies=FakePolicies())
        self.http.include_router(create_service(Party.RECOVERY, settings, platform).router, prefix=PREFIX)

    async def post(self, path: str, key: str = "", **given: Any) -> int:
        async with client(self.http) as web:
            headers = {**(bearer(key) if key else {}), **given.pop("headers", {})}
            answer = await web.post(f"{PREFIX}/disaster-recovery/{path}", headers=headers, **given)
        await self.recorder.flush()
        return answer.status_code


SNAPSHOT = f"snapshot/{OURS.cluster}/{OURS.service}"


async def test_a_request_that_was_allowed_is_recorded_with_the_state_that_it_changes() -> None:
    api = Recovery()
    key = await api.keys.create("alice", Role.OPERATOR)
    for _ in range(2):
        given = {"json": {"actor": "bob", "reason": "before the move"}, "headers": {"Idempotency-Key": "1"}}
        assert await api.post(SNAPSHOT, key, **given) == 202
    first, again = recorded(api.store)
    assert (first.act, first.outcome, first.target, first.why) == (
        Act.REQUEST_ALLOWED, "allowed", OURS, "before the move",
    )  # fmt: skip
    assert (first.who.name, first.who.proof, first.where) == ("key:alice", "key", "10.0.0.9")
    assert (first.who.credential, first.asked_by) == (key.split("_")[1], "key:alice for bob")
    assert first.cause_id.startswith("operation:")
    assert first.details == ("POST /disaster-recovery/snapshot/{cluster_name}/{service_name}",)
    assert (again.outcome, again.cause_id) == ("answered 202", ""), "it has changed nothing"
    assert key not in first.model_dump_json()


async def test_what_was_allowed_and_failed_is_recorded_with_its_answer_and_reads_are_not() -> None:
    api = Recovery()
    key = await api.keys.create("alice", Role.ADMIN)
    for reason, status in (("first", 202), ("another", 422)):
        assert await api.post(SNAPSHOT, key, json={"reason": reason}, headers={"Idempotency-Key": "1"}) == status
    async with client(api.http) as web:
        await web.get(f"{PREFIX}/disaster-recovery/snapshots/{OURS.cluster}/{OURS.service}", headers=bearer(key))
    assert acts(api.store) == [Act.REQUEST_ALLOWED] * 2
    assert [entry.outcome for entry in recorded(api.store)] == ["allowed", "answered 422"]


async def test_refusals_are_recorded_with_who_and_why() -> None:
    api = Recovery()
    viewer = await api.keys.create("eve", Role.VIEWER)
    assert await api.post(SNAPSHOT) == 401
    assert await api.post(SNAPSHOT, headers={"Content-Type": "application/json"}) == 401
    assert await api.post(SNAPSHOT, "sfk_wrong") == 401
    assert await api.post(SNAPSHOT, viewer, json={}) == 403
    *strangers, known = recorded(api.store)
    assert {entry.act for entry in (*strangers, known)} == {Act.REQUEST_REFUSED}
    assert {entry.who for entry in strangers} == {Who(proof="none")}
    assert (known.who.name, known.outcome) == ("key:eve", "refused")
    assert known.why == "key:eve is no deployer here"
    assert viewer not in str(recorded(api.store))


async def test_a_request_over_kafka_is_recorded_with_its_signer_once() -> None:
    orchestrator = Orchestrator()
    event = request(target=TARGET)
    for _ in range(2):
        await orchestrator.takes(event, id_="7")
    accepted, started, *others = recorded(orchestrator.store)
    assert (accepted.act, started.act) == (Act.MESSAGE_ACCEPTED, Act.RUN_STARTED)
    assert (accepted.who.name, accepted.who.proof) == ("ci", "signature")
    assert accepted.who.credential == KEYS.signers[Party.CI].key_id
    assert accepted.where == "deployment.requests.v1/3/1"
    assert (started.run_id, started.target) == (orchestrator.started[0][1], TARGET)
    assert not [entry for entry in others if entry.act in {Act.MESSAGE_ACCEPTED, Act.RUN_STARTED}]


async def test_what_is_not_believed_is_recorded_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unhandled, "MOST_UNTRUSTED", 10)
    orchestrator = Orchestrator()
    for number in range(15):
        await orchestrator.takes(request(target=TARGET), id_=str(number), by=Party.MONITOR)
    entries = recorded(orchestrator.store)
    assert {entry.act for entry in entries} == {Act.MESSAGE_REFUSED}
    assert len(entries) == 10
    assert (entries[0].outcome, entries[0].who) == ("untrusted", Who(proof="none"))
    assert entries[0].where.startswith("deployment.requests.v1/")
    counted = orchestrator.consumer._unhandled._recorder._refused[Act.MESSAGES_REFUSED]
    assert counted.by_reason.total() == 5


async def test_a_dead_letter_that_was_sent_again_is_an_act() -> None:
    store = memory_store(Party.RECOVERY, FakeClock(START))
    policies = Arm(target=TARGET, run_id="run", snapshot_id="s", expires_at=at(START))
    envelope = Envelope(Meta("1", source_of(Party.ORCHESTRATOR), at(START)), policies)
    message = envelope.to_message()
    headers = (*message.headers, (LETTER_HEADER, b"3cbb01b4"))
    with come_from(record_of(message, headers=headers), envelope, "recovery"):
        await store.apply(decided(), cause="1")
    with come_from(record_of(message), envelope, "recovery"):
        await store.apply(decided(), cause="2")
    (entry,) = recorded(store)
    assert (entry.act, entry.details) == (Act.MESSAGE_REPLAYED, ("arm.v1", "dead letter 3cbb01b4"))


async def test_on_what_another_service_tells_a_service_acts_by_itself() -> None:
    store = memory_store(Party.RECOVERY, FakeClock(START))
    for type_, who in (("critical-alert.v1", "recovery"), ("arm.v1", "orchestrator")):
        entry = entry_of_type(type_)
        assert entry is not None
        event = entry.contract.model_validate_json(examples_of(type_)[0])
        writer = Party.MONITOR if who == "recovery" else Party.ORCHESTRATOR
        meta = Meta("1", source_of(writer), at(START), signed_by=writer)
        envelope = Envelope(meta, event)
        signed = KEYS.signed(envelope.to_message(), writer)
        with come_from(record_of(signed), envelope, "recovery"):
            await store.apply(decided(audit=(Audited(Act.ROLLBACK_STARTED, type_, TARGET),)), cause=type_)
    alert, command = recorded(store)
    assert (alert.who.name, alert.who.proof) == ("recovery", "service")
    assert alert.where == f"alerts.critical.v1/3/0 by monitor {KEYS.signers[Party.MONITOR].key_id}"
    assert (command.who.name, command.who.proof, command.where) == (
        "orchestrator", "signature", "recovery.commands.v1/3/0",
    )  # fmt: skip


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.type)
def test_every_published_event_can_be_recorded(entry: Any) -> None:
    for example in examples_of(entry.type):
        act_of(entry.contract.model_validate_json(example), "id")


@pytest.mark.parametrize(
    ("cause", "gate", "act"),
    [
        (Cause.ERROR, CHANGE_APPLIED, Act.CHANGE_APPLIED),
        (Cause.USAGE, CHANGE_APPLIED, Act.CHANGE_APPLIED),
        (Cause.REFUSED, CHANGE_APPLIED, Act.CHANGE_APPLIED),
        (Cause.ERROR, "", Act.CHANGE_APPLIED),
        (Cause.REFUSED, "", Act.CHANGE_APPLIED),
        (Cause.REFUSED, CHANGE_ACCEPTED, Act.COMMAND_REFUSED),
        (Cause.USAGE, CHANGE_ACCEPTED, None),
        (Cause.USAGE, "change_named", None),
        (Cause.UNSUPPORTED, "", None),
    ],
)
def test_a_change_whose_answer_was_lost_is_recorded_unless_nothing_was_changed(
    cause: Cause, gate: str, act: Act | None
) -> None:
    gates = (Gate.true(gate, holds=False, detail="x"),) if gate else ()
    asked = Command.to(ApplyChange, TARGET, "run", "command")
    found = act_of(asked.failed("The answer was lost.", cause, *gates).event, "id")
    assert (found and found.act) == act
    assert found is None or found.outcome == ("unknown" if act is Act.CHANGE_APPLIED else "refused")


@pytest.mark.parametrize("text", TEXTS)
async def test_no_secret_and_no_control_in_any_text(text: str) -> None:
    store = memory_store(Party.RECOVERY, FakeClock(NOW))
    trigger = ManualTrigger.model_construct(actor=text, reason=text)
    event = RollbackStarted.model_construct(
        target=TARGET, run_id=None, rollback_id="r", trigger=text, snapshot_id="s", detail=text, triggered_by=trigger
    )
    act = act_of(event, caused_id("r", "started"))
    assert act is not None
    await store.apply(decided(audit=(act,)), cause="1")
    recorder = Recorder()
    recorder.begin(store, lambda: datetime.fromtimestamp(NOW, UTC), Readiness())
    for _ in range(MOST_REFUSALS + 1):
        recorder.refused(Who(name=text, proof="none", credential="k"), f"POST /{text}", text, text)
    await recorder.flush(ended=True)
    data = " ".join(entry.model_dump_json() for entry in recorded(store))
    assert SECRET not in data
    assert "\\u001b" not in data


def kept(text: str, at_time: float = 1.0) -> bytes:
    return as_bytes(Kept("policy.yaml", at_time, Files((File("policy.yaml", text.encode()),), False, "")))


async def test_another_policy_is_recorded_with_what_differs_and_once_by_all_replicas() -> None:
    store = memory_store(Party.RECOVERY, FakeClock(NOW))
    before = "version: 1\nservices:\n  - {cluster: c, service: s}\n"
    after = "version: 1\nservices:\n  - {cluster: c, service: s, rules: {error_rate: {above: 7}}}\n"
    for text in (before, before, after, after):
        await StoredCopy([store]).keep(kept(text))
    first, second = recorded(store)
    assert {first.act, second.act} == {Act.POLICY_CHANGED}
    assert second.details[0].removeprefix("before ") == first.details[1].removeprefix("after ")
    assert len(second.details) > 2, "the lines that differ"
    await StoredCopy([store]).keep(kept(before, 2.0))
    assert recorded(store)[-1].id != first.id


async def test_a_change_of_keys_reaches_the_orchestrators_chain_once() -> None:
    store = memory_store(Party.ORCHESTRATOR, FakeClock(NOW))
    keys = Keys(redis=store.redis)
    key, record = api_keys.create("alice", Role.ADMIN, 9, [], keys.now(), "root")
    entry = AuditEntry(id="e", time=keys.now(), act=Act.KEY_CREATED, who=Who(name="root", proof="redis"))
    await keys.store.keep(record, entry)
    assert key.text not in str(store.redis.stream(CHANGES))
    taking = KeyAudit(store)
    copy = store.redis.copy()
    removed, store.redis.xdel = store.redis.xdel, _dies
    with pytest.raises(ConnectionError):
        await taking.take_over()
    store.redis.xdel = removed
    await taking.take_over()
    assert acts(store) == [Act.KEY_CREATED]
    assert copy is not None


async def _dies(*_: object) -> None:
    raise ConnectionError("killed between")


async def test_a_decision_that_is_written_by_a_handler_takes_what_let_it_in_along_once() -> None:
    store = memory_store(Party.ORCHESTRATOR, FakeClock(START))
    event = DeployRequested(target=TARGET, change=ImageChange(reference="web:1"), actor="anna", reason="x")
    envelope = Envelope(Meta("1", "my-pipeline", at(START)), event)
    with come_from(record_of(envelope.to_message()), envelope, "orchestrator"):
        await store.apply(Transition("a", lambda _: Decision(b"1")), cause="")
        await store.apply(Transition("b", lambda _: Decision(b"1", emit=(Emit(event, "2"),))), cause="")
    (entry,) = recorded(store)
    assert (entry.act, entry.asked_by, entry.who.proof) == (Act.MESSAGE_ACCEPTED, "anna", "none")
