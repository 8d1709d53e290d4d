"""API keys: what they look like, how long they hold, and what wrong ones cost."""

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisAway

from contracts.access import Role
from contracts.redact import HIDDEN, redact
from services._chassis.access import api_keys, key_ring
from services._chassis.access.api_keys import ApiKey
from services._chassis.access.key_ring import KEYS, USED, Kept, KeyRing, KeyStore
from services._chassis.http import PREFIX
from tests.security.access import CHANGED, Keys, bearer, client, guarded
from tests.security.test_fuzz import NOW

OVERVIEW = f"{PREFIX}/deployment-orchestration/overview"
ORCHESTRATE = f"{PREFIX}/deployment-orchestration/orchestrate/Main/api"


async def status(keys: Keys, key: str, **given: Any) -> int:
    http, _ = guarded(keys=keys, **given)
    async with client(http) as web:
        return (await web.get(OVERVIEW, headers=bearer(key))).status_code


def test_a_key_has_256_random_bits_a_readable_prefix_and_a_checksum() -> None:
    keys = [ApiKey.new() for _ in range(200)]
    assert len({key.text for key in keys}) == len({key.id for key in keys}) == 200
    for key in keys:
        assert re.fullmatch(rf"sfk_{key.id}_[0-9A-Za-z]{{49}}", key.text)
        assert ApiKey.read(key.text) == key
        for place in range(len(key.text)):
            other = "0" if key.text[place] != "0" else "1"
            assert ApiKey.read(key.text[:place] + other + key.text[place + 1 :]) is None


def test_a_key_in_a_text_is_cut_out() -> None:
    key = ApiKey.new()
    assert redact(f"the key {key.text}, of alice") == f"the key {HIDDEN}, of alice"


@pytest.mark.parametrize("text", ["", "sfk_", "sfk__", "sfk_" + "a" * 10 + "_" + "٣" * 49, "x" * 8_000, "sfk_a\x00_b"])
def test_what_is_no_key_is_none(text: str) -> None:
    assert ApiKey.read(text) is None


async def test_what_is_kept_has_no_key() -> None:
    keys = Keys()
    text = await keys.create("alice", Role.ADMIN)
    held, _ = keys.redis.copy()
    assert text.rpartition("_")[2] not in repr(held)
    assert (await keys.store.all()).keys() == {text.split("_")[1]}


async def test_a_key_holds_until_it_expires() -> None:
    keys = Keys()
    key = await keys.create("alice", Role.VIEWER, days=1)
    assert await status(keys, key) == 200
    keys.time = NOW + 86_400
    http, _ = guarded(keys=keys)
    async with client(http) as web:
        answer = await web.get(OVERVIEW, headers=bearer(key))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert "expired" in answer.json()["detail"]
    assert key not in answer.text


async def test_a_revoked_key_is_refused_by_every_replica_at_its_next_request() -> None:
    keys = Keys()
    key = await keys.create("alice", Role.VIEWER)
    other = await keys.create("bob", Role.VIEWER)
    rings = [keys.ring() for _ in range(3)]
    held = ApiKey.read(key)
    assert held is not None
    for ring in rings:
        record = await ring.find(held)
        assert record is not None
        assert ring.why_not(record) == ""
    record = await keys.store.find(held.id)
    assert record is not None
    await keys.store.keep(record.revoked(keys.now()), CHANGED)
    for ring in rings:  # no time has passed: the copies of all records are still the old ones
        found = await ring.find(held)
        assert found is not None
        assert ring.why_not(found) == "the key was revoked"
    assert await status(keys, other) == 200
    assert await keys.store.forget(held.id, CHANGED)
    assert [await ring.find(held) for ring in rings] == [None] * 3


async def test_of_the_last_two_keys_that_are_forgotten_at_once_one_stays() -> None:
    keys = Keys()
    for name in ("alice", "bob"):
        await keys.create(name, Role.ADMIN)
    ids = [*await keys.store.all()]
    assert sorted(await asyncio.gather(*(keys.store.forget(id_, CHANGED) for id_ in ids))) == [False, True]
    keys.time += 2
    assert await keys.ring().has_keys()


async def test_keys_that_are_forgotten_or_revoked_open_nothing_to_loopback() -> None:
    """Once keys are in use they stay so: the last one that is revoked does not let everybody on the machine in."""
    keys = Keys()
    key = await keys.create("alice", Role.ADMIN)
    held = ApiKey.read(key)
    assert held is not None
    record = await keys.store.find(held.id)
    assert record is not None
    await keys.store.keep(record.revoked(keys.now()), CHANGED)
    http, _ = guarded(keys=keys, served="loopback")
    async with client(http, "127.0.0.1") as web:
        assert (await web.get(OVERVIEW)).status_code == 401


async def test_a_redis_that_comes_back_without_keys_opens_nothing_and_that_is_told() -> None:
    keys = Keys()
    await keys.create("alice", Role.ADMIN)
    http, _ = guarded(keys=keys, served="loopback")
    async with client(http, "127.0.0.1") as web:
        assert (await web.get(OVERVIEW)).status_code == 401
        keys.redis._del(KEYS.encode())
        keys.time += 2
        for method, path in (("GET", OVERVIEW), ("POST", ORCHESTRATE)):
            refused = await web.request(method, path, json={} if method == "POST" else None)
            assert refused.status_code == 401
            assert "`surefoot keys create` makes a key" in refused.json()["detail"]
        told = (await web.get("/readyz")).json()["access"]
        assert told.startswith("credentials: there were API keys")
        again = bearer(await keys.create("alice", Role.ADMIN))
        assert (await web.get(OVERVIEW, headers=again)).status_code == 200
        assert (await web.get("/readyz")).json()["access"] == "credentials"


async def test_records_that_cannot_be_read_open_nothing() -> None:
    """Those of a later version, for instance."""
    keys = Keys()
    await keys.redis.hset(KEYS, "1234", '{"id": "of a later version"}')
    http, _ = guarded(keys=keys, served="loopback")
    async with client(http, "127.0.0.1") as web:
        assert (await web.get(OVERVIEW)).status_code == 401


async def test_two_keys_of_a_name_hold_at_a_time_and_the_second_has_the_role_of_the_first() -> None:
    keys = Keys()
    first, second = await keys.create("ci", Role.DEPLOYER), await keys.create("ci")
    assert {record.role for record in (await keys.store.all()).values()} == {Role.DEPLOYER}
    assert [await status(keys, key) for key in (first, second)] == [200, 200]
    with pytest.raises(ValueError, match="has 2 keys already"):
        await keys.create("ci")
    held = ApiKey.read(first)
    assert held is not None
    record = await keys.store.find(held.id)
    assert record is not None
    await keys.store.keep(record.revoked(keys.now()), CHANGED)
    third = await keys.create("ci")
    assert [await status(keys, key) for key in (first, second, third)] == [401, 200, 200]


async def test_the_last_use_is_noted_at_most_once_a_minute_by_all_replicas_together() -> None:
    keys = Keys()
    held = ApiKey.read(await keys.create("alice", Role.VIEWER))
    assert held is not None
    rings = [keys.ring() for _ in range(3)]
    keys.redis.calls.clear()
    for _ in range(50):
        for ring in rings:
            assert await ring.find(held) is not None
    assert keys.redis.calls.count("hset") == 1
    assert keys.redis.calls.count("set") == 3
    assert (await keys.store.uses()).keys() == {held.id}


async def test_a_thousand_wrong_keys_cost_one_look_a_second_and_little_time() -> None:
    """A slow hash would take minutes; a call of Redis for each would take it from those who must act."""
    keys = Keys()
    key = await keys.create("alice", Role.VIEWER)
    right = ApiKey.read(key)
    assert right is not None
    wrong = [ApiKey.new() for _ in range(999)]
    wrong.append(ApiKey(right.id, wrong[0].text))  # a known id with another secret
    ring = keys.ring()
    keys.redis.calls.clear()
    begun = time.process_time()
    assert [await ring.find(each) for each in wrong] == [None] * 1_000
    assert time.process_time() - begun < 1
    assert keys.redis.calls == ["hgetall"]


async def test_where_redis_is_away_nobody_is_let_in_and_nobody_is_called_wrong() -> None:
    keys = Keys()
    key = await keys.create("alice", Role.VIEWER)
    keys.redis.away = RedisAway
    http, _ = guarded(keys=keys, served="loopback")
    for address in ("127.0.0.1", "10.0.0.9"):
        async with client(http, address) as web:
            for headers in (bearer(key), {}):
                answer = await web.get(OVERVIEW, headers=headers)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert (await web.get("/readyz")).json() == {
                "ready": True,
                "access": "not known while Redis does not answer",
            }


async def test_a_redis_that_does_not_answer_is_waited_for_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(KeyStore):
        asked = 0

        async def read(self) -> Kept:
            self.asked += 1
            await asyncio.Event().wait()
            return Kept({}, any=False)

    monkeypatch.setattr(key_ring, "ANSWER_SECONDS", 0.01)
    ring = KeyRing(hanging := Hanging(None))
    waiting = await asyncio.gather(*(ring.has_keys() for _ in range(20)), return_exceptions=True)
    assert {str(error) for error in waiting} == {"no answer within 0.01 s"}
    assert hanging.asked == 1, "who waits meanwhile shares what comes of it"


async def test_that_the_process_lives_does_not_depend_on_redis() -> None:
    keys = Keys()
    http, _ = guarded(keys=keys)
    keys.redis.calls.clear()
    async with client(http, "10.0.0.9") as web:
        assert (await web.get("/livez")).status_code == 200
    assert keys.redis.calls == []


async def test_where_redis_is_full_keys_still_hold() -> None:
    keys = Keys()
    key = await keys.create("alice", Role.VIEWER)
    keys.redis.full = True
    assert await status(keys, key) == 200


async def test_a_record_that_cannot_be_read_proves_nobody() -> None:
    keys = Keys()
    key = await keys.create("alice", Role.ADMIN)
    held = ApiKey.read(key)
    assert held is not None
    for kept in ('{"id": "x"}', "no json", '{"role": "god"}'):
        await keys.redis.hset(KEYS, held.id, kept)
        keys.time += 1
        assert await status(keys, key) == 401


async def test_keys_in_a_real_redis(redis: object) -> None:
    store = KeyStore(redis)
    now = datetime(2026, 11, 27, tzinfo=UTC)
    key, record = api_keys.create("alice", Role.ADMIN, 90, [], now, "root")
    await store.keep(record, CHANGED)
    assert await store.find(key.id) == record
    assert await store.all() == {key.id: record}
    await store.note_use(key.id, now)
    await store.note_use(key.id, now + timedelta(seconds=9))
    assert await store.uses() == {key.id: now}
    assert not await store.forget(key.id, CHANGED)
    other, another = api_keys.create("bob", Role.ADMIN, 90, [], now, "root")
    await store.keep(another, CHANGED)
    assert await store.forget(key.id, CHANGED)
    assert ([*await store.all()], await store.uses()) == ([other.id], {})
    assert USED.startswith("{access}:")
