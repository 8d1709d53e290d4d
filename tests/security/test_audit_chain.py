"""The audit's chain: what was changed, removed, put in, reordered or forged is found; what was restored is shown."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from contracts.audit import Act, AuditEntry
from contracts.audit_chain import MOST_LISTED, hash_of, read_record
from contracts.topics import SERVICES, Party
from services._chassis.audit.acts import Audited
from services._chassis.audit.given_up import GivenUp
from services._chassis.audit.sealer import HEAD, MOST_WAITING, UNARCHIVED
from services._chassis.readiness import Readiness
from services._chassis.redis_keys import AUDIT
from services._chassis.signatures import Identity, Signatures, Trust
from services._chassis.store import AnotherRedis, Applied
from services._chassis.transition import Decision, Transition, decided
from tests.security.audit import NOW, TARGET, Audit, checked
from tests.security.keys import Keys

ACTS = (Act.TARGET_ARMED, Act.CHANGE_APPLIED, Act.ROLLBACK_STARTED, Act.ROLLBACK_FINISHED)


CHANGES = ((b'"act":"', b'"act":"x'), (b'"why":"', b'"why":"harmless'), (b'"c"', b'"d"'), (b"2026", b"2025"))


def signing(keys: Keys, party: Party) -> Identity:
    return Identity(keys.trust(), keys.signers[party])


async def test_a_chain_verifies_and_says_who_did_what() -> None:
    keys = Keys()
    audit = Audit(identity=signing(keys, Party.RECOVERY))
    lines = await audit.sealed(*ACTS)
    report = checked(lines, keys.trust())
    assert (report.faults, report.records) == ([], 5)
    assert [notice.split(" is here")[0] for notice in report.notices] == [
        f"No record of {service}" for service in sorted(set(SERVICES) - {Party.RECOVERY})
    ]
    first, *others = audit.records
    assert (first.act, first.sequence, first.continues) == (Act.CHAIN_BEGUN, 1, None)
    assert [record.act for record in others] == list(ACTS)
    assert {(record.who.name, record.who.proof, record.cause_id) for record in others[:1]} == {
        ("recovery", "service", "cause-0")
    }
    ((chain, end),) = report.ends.items()
    assert (chain.service, end.sequence, end.hash) == (Party.RECOVERY, 5, hash_of(lines[-1]))


async def test_every_change_of_every_line_is_found() -> None:
    keys = Keys()
    lines = await Audit(identity=signing(keys, Party.RECOVERY)).sealed(*ACTS)
    for at, line in enumerate(lines):
        for old, new in (
            (b'"act":"', b'"act":"x'),
            (b'"why":"', b'"why":"harmless'),
            (b'"c"', b'"d"'),
            (b"2026", b"2025"),
        ):
            if old in line:
                faults = checked([*lines[:at], line.replace(old, new, 1), *lines[at + 1 :]], keys.trust()).faults
                assert any("does not fit its content" in fault for fault in faults)
                assert at == len(lines) - 1 or any("Missing of" in fault for fault in faults)


async def test_without_signatures_the_hashes_find_a_change_of_all_but_the_last() -> None:
    lines = await Audit().sealed(*ACTS)
    for at in range(len(lines) - 1):
        changed = [*lines[:at], lines[at].replace(b'"outcome":"done"', b'"outcome":"fine"'), *lines[at + 1 :]]
        (fault,) = checked(changed).faults
        assert fault.startswith(
            f"Record {at + 2} of recovery's chain {read_record(lines[0]).chain[:8]} (file:{at + 2})"
        )
        assert fault.endswith(f"does not follow record {at + 1} (file:{at + 1}): one of them was changed.")


async def test_a_removed_record_is_found_and_one_at_the_end_only_by_comparison() -> None:
    lines = await Audit().sealed(*ACTS)
    for at in range(1, len(lines) - 1):
        (fault,) = checked([*lines[:at], *lines[at + 1 :]]).faults
        assert f"Missing of recovery's chain {read_record(lines[0]).chain[:8]}: record {at + 1}" in fault
    (fault,) = checked(lines[1:]).faults
    assert "all before record 2" in fault
    partly = checked(lines[1:], whole=False)
    assert (partly.faults, len(partly.notices)) == ([], 1)
    cut = checked(lines[:-1])
    assert cut.faults == []  # nothing refers to what was the last one; the report's end tells it from another copy
    assert [end.sequence for end in cut.ends.values()] == [4]


async def test_the_order_of_a_file_and_doubled_lines() -> None:
    lines = await Audit().sealed(*ACTS)
    assert checked([*lines, lines[-1]]).faults == []
    swapped = [lines[0], lines[2], lines[1], *lines[3:]]
    (fault,) = checked(swapped).faults
    assert "stands behind record 3: the order was changed" in fault


@pytest.mark.parametrize("forger", [Party.MONITOR, Party.CI, Party.OPERATORS])
async def test_a_record_with_the_key_of_somebody_else_is_forged(forger: Party) -> None:
    keys = Keys()
    genuine = Audit(identity=signing(keys, Party.RECOVERY))
    lines = await genuine.sealed(*ACTS)
    forged = Audit(identity=signing(keys, forger))
    (*_, line) = await forged.sealed(Act.ROLLBACK_FINISHED)
    faults = checked([*lines, line], keys.trust()).faults
    assert any(f"{forger} has signed it, and it is in a chain of recovery" in fault for fault in faults)
    unsigned = await Audit().sealed(Act.ROLLBACK_FINISHED)
    assert any("it is not signed" in fault for fault in checked(unsigned, keys.trust()).faults)
    unknown = await Audit(identity=signing(Keys(), Party.RECOVERY)).sealed(Act.ROLLBACK_FINISHED)
    assert any("is not trusted here" in fault for fault in checked(unknown, keys.trust()).faults)


async def test_two_records_of_one_number_are_a_forgery() -> None:
    lines = await Audit().sealed(*ACTS)
    other = lines[2].replace(b'"why":""', b'"why":"x"')
    faults = checked([*lines, other]).faults
    assert any("There are two of record 3" in fault for fault in faults)


async def test_a_forged_record_takes_the_place_of_no_genuine_record() -> None:
    keys = Keys()
    lines = await Audit(identity=signing(keys, Party.RECOVERY)).sealed(*ACTS)
    chain = read_record(lines[0]).chain.encode()
    (_, other) = await Audit().sealed(Act.RUN_FINISHED)
    behind = other.replace(read_record(other).chain.encode(), chain).replace(b'"sequence":2', b'"sequence":900')
    forged = [lines[2].replace(b'"why":""', b'"why":"x"'), behind, other]
    report = checked([*forged, *lines], keys.trust())
    assert len(report.faults) == len(forged)
    assert all(fault.startswith("Record ") for fault in report.faults)
    assert [end.sequence for end in report.ends.values()] == [5]
    assert report.records == 5


@pytest.mark.parametrize("number", [b"9" * 4_300, b"-" + b"9" * 4_300, b"0", b"-1", b"%d" % (2**53 + 1), b"1e400"])
async def test_a_number_beyond_its_bound_is_no_record(number: bytes) -> None:
    audit = Audit()
    await audit.sealed(*ACTS)
    audit.redis.run_id = "another"
    lines = await audit.sealed(Act.RUN_FINISHED)
    begun = lines[5]
    assert begun.count(b'"sequence":5') == begun.count(b'"sequence":6') == 1
    forged = [begun.replace(b'"sequence":%d' % known, b'"sequence":' + number) for known in (5, 6)]
    faults = checked([*lines, *forged]).faults
    assert [fault.partition(": ")[2] for fault in faults] == ["the line is no audit record."] * 2


def test_faults_and_notices_are_listed_up_to_a_bound_and_the_others_counted() -> None:
    report = checked(b"x" for _ in range(MOST_LISTED + 7))
    assert (len(report.faults), report.more_faults) == (MOST_LISTED, 7)
    for _ in range(MOST_LISTED):
        report.notice("x")
    assert len(report.notices) == MOST_LISTED
    assert report.more_notices == len(SERVICES)


async def test_what_is_kept_of_records_does_not_grow_with_their_number() -> None:
    first, second = await Audit().sealed(Act.CHANGE_APPLIED)

    def chained(number: int) -> Iterator[bytes]:
        before = first
        yield before
        for at in range(2, number + 1):
            numbered = second.replace(b'"sequence":2', b'"sequence":%d' % at)
            before = numbered.replace(hash_of(first).encode(), hash_of(before).encode())
            yield before

    def taken(number: int) -> int:
        tracemalloc.start()
        report = checked(chained(number), whole=False)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (report.records, report.faults) == (number, [])
        return most

    checked([first], whole=False)
    assert taken(800) == pytest.approx(taken(200), rel=0.2)


async def test_more_chains_than_there_can_be_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contracts.audit_places.MOST_CHAINS", 2)
    chains = [line for _ in range(3) for line in await Audit().sealed(Act.CHANGE_APPLIED)]
    report = checked(chains)
    assert len(report.ends) == 2
    assert [fault.partition(": ")[2] for fault in report.faults[:2]] == [
        "there are more than 10,000 chains, and no more are looked at."
    ] * 2
    long = chains[1].replace(read_record(chains[1]).chain.encode(), b"x" * 200)
    assert checked([long]).faults == ["file:1: the line names a chain or a hash that is too long."]


async def test_a_service_of_which_everything_was_removed_is_named() -> None:
    lines = await Audit(Party.MONITOR).sealed(*ACTS)
    (notice,) = [notice for notice in checked(lines).notices if "recovery" in notice]
    assert notice == "No record of recovery is here: it has never begun a chain, or all of it was removed."
    assert checked(lines, whole=False).notices == []


async def test_what_is_no_record_is_told_and_not_quoted() -> None:
    lines = await Audit().sealed(*ACTS)
    for wrong in (b"correct-horse-battery", b"{}", b"\xff\x00", b"[" * 100_000, lines[1][:-1] + b', "x": 1}'):
        faults = checked([*lines, wrong]).faults
        assert any(fault.startswith("file:6: the line ") for fault in faults)
        assert "correct-horse-battery" not in str(faults)


async def test_two_replicas_make_one_chain() -> None:
    audit = Audit()
    for act in ACTS:
        await audit.act(act)
    one, other = audit.sealer(), audit.sealer()
    first, second = one.seal(), other.seal()
    steps = [first, second]
    sealed = []
    while steps:  # each goes one step of Redis further in turn, so that both read the same head
        for coroutine in [*steps]:
            try:
                coroutine.send(None)
            except StopIteration as ended:
                sealed.append(ended.value)
                steps.remove(coroutine)
    assert sorted(sealed) == [0, 4]
    assert checked(audit.lines).faults == []
    assert len(audit.lines) == 5


async def test_a_sealer_that_dies_anywhere_neither_loses_nor_doubles() -> None:
    for dies_after in range(8):
        audit = Audit()
        for act in ACTS:
            await audit.act(act)
        dying = audit.sealer().seal()
        try:
            for _ in range(dies_after):
                dying.send(None)
        except StopIteration:
            pass
        else:
            dying.close()
        assert [read_record(line).act for line in await audit.sealed()] == [Act.CHAIN_BEGUN, *ACTS]


async def test_an_act_is_recorded_with_its_state_once_or_not_at_all() -> None:
    audit = Audit()
    act = Decision(b"state", audit=(Audited(Act.CHANGE_APPLIED, "act", TARGET),))
    transition = Transition("key", lambda _: act)
    assert (await audit.store.apply(transition, cause="c")).applied is Applied.APPLIED
    assert (await audit.store.apply(transition, cause="c")).applied is Applied.SEEN
    ignored = Transition("key", lambda _: Decision(audit=act.audit, ignore_once=True))
    assert (await audit.store.apply(ignored, cause="d")).applied is Applied.IGNORED
    audit.store.redis_run_id = "another"
    with pytest.raises(AnotherRedis):
        await audit.store.apply(transition, cause="e")
    assert [record.act for record in [read_record(line) for line in await audit.sealed()]] == [
        Act.CHAIN_BEGUN,
        Act.CHANGE_APPLIED,
    ]


async def test_a_redis_that_was_only_restarted_begins_a_chain_that_goes_on() -> None:
    audit = Audit()
    await audit.sealed(*ACTS)
    audit.redis.run_id = "restarted"
    lines = await audit.sealed(Act.RUN_FINISHED)
    report = checked(lines)
    assert report.faults == []
    assert any("Redis was started anew" in notice for notice in report.notices)
    begun = audit.records[5]
    assert begun.continues is not None
    assert (begun.act, begun.sequence, begun.continues.sequence) == (Act.CHAIN_BEGUN, 6, 5)


async def test_a_redis_that_was_restored_is_a_fork() -> None:
    audit = Audit()
    await audit.sealed(*ACTS[:2])
    copy = audit.redis.copy()
    published = await audit.sealed(*ACTS[2:])
    audit.redis.restore(copy)
    audit.redis.run_id = "restored"
    after = await audit.sealed(Act.RUN_FINISHED)
    every = [*published, *after[3:]]
    (fault,) = [fault for fault in checked(every).faults if "forks" in fault]
    assert "which has 2 more: Redis was restored from an older copy" in fault
    audit.redis.restore(copy)
    audit.redis.run_id = "again"
    again = await audit.sealed(Act.RUN_FINISHED)
    faults = checked([*published[:3], *after[3:], *again[3:]]).faults
    assert any("go on after the same record" in fault for fault in faults)


async def test_a_redis_that_was_lost_shows_as_a_second_beginning() -> None:
    audit = Audit()
    before = await audit.sealed(*ACTS)
    audit.redis.clear()
    audit.redis.run_id = "empty"
    after = await audit.sealed(Act.RUN_FINISHED)
    (fault,) = checked([*before, *after]).faults
    assert "begins without a record before it" in fault
    assert checked(after).faults == []


async def test_a_chain_in_the_middle_that_was_removed_whole_is_missed() -> None:
    audit = Audit()
    await audit.sealed(*ACTS[:2])
    for run in ("second", "third"):
        audit.redis.run_id = run
        lines = await audit.sealed(Act.RUN_FINISHED)
    (fault,) = checked([*lines[:3], *lines[5:]]).faults
    assert "of which nothing is here" in fault


async def test_what_cannot_be_read_is_a_record_and_stops_no_chain() -> None:
    audit = Audit()
    for broken in (
        b"no json",
        b'{"id": 1}',
        b'{"id":"x","time":"2026-01-01T00:00:00Z","act":"' + b"x" * 20_000 + b'"}',
    ):
        await audit.redis.xadd(audit.store.key(AUDIT), {b"entry": broken})
    lines = await audit.sealed(Act.RUN_FINISHED)
    assert [record.act for record in audit.records[1:]] == [Act.RECORD_LOST] * 3 + [Act.RUN_FINISHED]
    assert checked(lines).faults == []


@pytest.mark.parametrize("character", ["a", "\x01", "\U000e0101", "\u200b", "é"])
async def test_no_text_is_so_long_that_nothing_behind_it_is_sealed(character: str) -> None:
    """Who may ask writes the id of his message: 255 controls become 1,020 characters, beyond what a header may have."""
    audit = Audit()
    for length in (255, 1_014, 5_000):
        text = character * length
        act = Audited(Act.MESSAGE_ACCEPTED, "x", why=text * 4, run_id=text, details=(text * 4,), asked_by=text)
        await audit.store.apply(decided(audit=(act,)), cause=text)
    lines = await audit.sealed(Act.RUN_FINISHED)
    assert [record.act for record in audit.records[1:]] == [Act.MESSAGE_ACCEPTED] * 3 + [Act.RUN_FINISHED]
    assert checked(lines).faults == []


async def test_a_record_beyond_all_bounds_is_said_to_be_lost_and_stops_no_chain() -> None:
    audit = Audit()
    entry = AuditEntry(id="x" * 20_000, time=NOW, act="x", details=("d" * 8_000,) * 100)
    await audit.store.apply(decided(audit=(entry,)), cause="")
    lines = await audit.sealed(Act.RUN_FINISHED)
    assert [record.act for record in audit.records[1:]] == [Act.RECORD_LOST, Act.RUN_FINISHED]
    assert checked(lines).faults == []


async def given_up(audit: Audit) -> list[str]:
    """Return what a replica says in ``/readyz`` that was started later."""
    readiness = Readiness()
    await GivenUp(audit.store, readiness).look()
    return readiness.degraded


async def test_what_is_not_sealed_is_bounded_counted_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services._chassis.audit.sealer.MOST_UNSEALED", 3)
    audit = Audit()
    for act in (*ACTS, Act.RUN_FINISHED):
        await audit.act(act)
    await audit.sealer().seal()
    _, *records = audit.records
    assert [record.act for record in records] == [Act.ROLLBACK_FINISHED, Act.RUN_FINISHED, Act.RECORD_LOST]
    assert await audit.redis.hget(audit.store.key("counters"), "audit-not-sealed") == b"3"
    (sentence,) = await given_up(audit)
    assert sentence.startswith(
        "3 records of recovery's audit were given up so far, the last ones on 2026-11-27 at 12:00 U"
    )
    assert sentence.endswith("before they had a place in its chain, and nothing else has them.")
    audit.clock.time += 24 * 3600 + 1
    assert (await given_up(audit)) == []
    await audit.store.write_although_full("HSET", audit.store.key("counters"), "audit-not-sealed:last", "spoilt")
    assert (await given_up(audit)) == []


async def test_a_head_that_was_spoilt_is_a_second_beginning_and_no_standstill() -> None:
    audit = Audit()
    await audit.sealed(*ACTS)
    await audit.store.write_although_full("SET", audit.store.key(HEAD), "spoilt")
    faults = checked(await audit.sealed(Act.RUN_FINISHED)).faults
    assert any("begins without a record before it" in fault for fault in faults)


async def test_what_waits_for_s3_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services._chassis.audit.sealer.MOST_WAITING", 3)
    assert MOST_WAITING * 1_000 < 20_000_000
    audit = Audit(archived=True)
    await audit.sealed(*ACTS)
    assert len(audit.redis.stream(audit.store.key(UNARCHIVED))) == 3
    assert await audit.redis.hget(audit.store.key("counters"), "audit-not-archived") == b"2"
    unarchived, unpublished = await given_up(audit)
    assert unarchived.endswith("before S3 had them; audit.v1 has them.")
    assert unpublished.endswith("before Kafka had them; where there is an archive in S3, it has them.")


async def test_a_key_that_was_retired_signs_nothing_later() -> None:
    keys = Keys()
    lines = await Audit(identity=signing(keys, Party.RECOVERY)).sealed(*ACTS)

    def retired(until: datetime) -> Trust:
        held = {id_: replace(key, until=until) for id_, key in keys.trusted.items()}
        return Trust(Signatures.DEMANDED, lambda: held)

    assert any("was retired before" in fault for fault in checked(lines, retired(NOW - timedelta(days=1))).faults)
    assert checked(lines, retired(NOW + timedelta(days=1))).faults == []
    assert checked(lines, keys.trust(Signatures.OFF)).faults == []


async def test_a_redis_that_refuses_is_asked_again() -> None:
    audit = Audit()
    await audit.act()
    transition = decided(audit=(Audited(Act.RUN_FINISHED, "x", TARGET),))
    await audit.store.apply(transition, cause="")
    audit.redis.run_id = "another"
    # the script finds another run than the one that info() gave
    info = audit.redis.info

    async def stale(_section: str) -> dict[str, str]:
        await info(_section)
        return {"run_id": "memory"}

    audit.redis.info = stale  # type: ignore[method-assign, unused-ignore]
    assert await audit.sealer().seal() == 0
    audit.redis.info = info  # type: ignore[method-assign, unused-ignore]
    assert len(await audit.sealed()) == 3
