"""Reload: whatever happens to the file, the policy in force is the old one or the new one, and it is told."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.base import Target
from services._policy import settled
from services._policy import source as module
from services._policy.environment import Environment
from services._policy.policies import Policies
from services._policy.read import Found, PathReader, Reader, Unreadable
from services._policy.settled import SETTLE_SECONDS
from services._policy.source import EMPTIED, POLL_SECONDS, NoPolicy, PolicySource
from tests.kit import FakeKeeper
from tests.policy.loading import ACCOUNT, files, target

GOOD = "version: 1\ndefaults: {recovery: {keep: 4}}\nservices:\n  - {cluster: prod, service: api}\n"
BETTER = GOOD.replace("keep: 4", "keep: 5")
BAD = GOOD.replace("keep:", "keeep:")
EMPTY = "version: 1\nservices: []\n"


class Disk:
    """What each read finds: the last text for ever, or an error."""

    location = "/etc/surefoot/policy.yaml"

    def __init__(self, *texts: str | bytes | Exception) -> None:
        self.next = list(texts)
        self.reads = 0

    def write(self, *texts: str | bytes | Exception) -> None:
        self.next = list(texts)

    async def read(self) -> Found:
        self.reads += 1
        text = self.next.pop(0) if len(self.next) > 1 else self.next[0]
        if isinstance(text, Exception):
            raise text
        return Found(files(text))


class World:
    def __init__(
        self, *texts: str | bytes | Exception, keeper: FakeKeeper | None = None, reader: Reader | None = None
    ) -> None:
        self.disk = Disk(*texts)
        self.keeper = keeper or FakeKeeper()
        self.degraded: dict[str, str] = {}
        self.time = 1000.0
        self.slept: list[float] = []
        self.heard: list[set[str]] = []
        self.pause: Callable[[float], Awaitable[None]] = self.pass_over
        self.source = PolicySource(
            reader or self.disk,
            Environment(),
            ACCOUNT,
            self.keeper,
            self.degrade,
            now=lambda: self.time,
            sleep=self.sleep,
            jitter=lambda least, most: (least + most) / 2,
        )
        self.source.listen(self.hear)

    def degrade(self, key: str, sentence: str | None) -> None:
        if sentence is None:
            self.degraded.pop(key, None)
        else:
            self.degraded[key] = sentence

    async def sleep(self, seconds: float) -> None:
        await self.pause(seconds)

    async def pass_over(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)

    async def hear(self, targets: frozenset[Target]) -> None:
        self.heard.append({one.service for one in targets})

    @property
    def keep(self) -> int:
        return self.source.of(target()).recovery.keep

    @property
    def fault(self) -> str | None:
        fault = self.source.status()["fault"]
        assert (fault is None) == ("policy" not in self.degraded)
        return None if fault is None else str(fault)


async def started(*texts: str | bytes | Exception, keeper: FakeKeeper | None = None) -> World:
    world = World(*texts, keeper=keeper)
    await world.source.start()
    return world


async def test_a_first_start_loads_the_policy_and_keeps_a_copy() -> None:
    world = await started(GOOD)
    assert world.keep == 4
    assert world.fault is None
    assert world.keeper.copy is not None
    assert world.heard == []


@pytest.mark.parametrize("text", [BAD, "", Unreadable("it is not there")])
async def test_a_broken_or_missing_file_stops_a_first_start_with_a_sentence(text: str | Exception) -> None:
    """Field point 1."""
    with pytest.raises(NoPolicy, match=r"no copy of it was kept: .+"):
        await started(text)


@pytest.mark.parametrize("text", [BAD, "", Unreadable("it is not there"), EMPTY])
async def test_a_restart_with_a_broken_file_goes_on_from_the_last_good_policy_and_says_so(
    text: str | Exception,
) -> None:
    """Field point 1: the file breaks, the process is restarted, and still knows how to roll back."""
    before = await started(GOOD)
    after = await started(text, keeper=before.keeper)
    assert after.keep == 4
    status = after.source.status()
    assert status["from_kept_copy"]
    assert status["loaded_at"] == before.source.status()["loaded_at"]
    assert "the copy that was kept" in after.degraded["policy"]
    assert after.fault
    after.disk.write(BETTER)
    await after.source.look()
    assert after.keep == 5
    assert "policy" not in after.degraded
    assert not after.source.status()["from_kept_copy"]


async def test_a_restarted_process_whose_file_is_mended_to_what_it_was_is_well() -> None:
    before = await started(GOOD)
    after = await started(BAD, keeper=before.keeper)
    after.disk.write(GOOD)
    await after.source.look()
    assert after.fault is None
    assert not after.source.status()["from_kept_copy"]


async def test_a_copy_of_another_location_is_not_gone_on_from() -> None:
    before = await started(GOOD)
    world = World(BAD, keeper=before.keeper)
    world.disk.location = "/etc/other.yaml"
    with pytest.raises(NoPolicy):
        await world.source.start()


@pytest.mark.parametrize("copy", [b"", b"{}", b'{"schema_version": 99, "location": "x"}', b"\xff"])
async def test_a_copy_that_cannot_be_read_is_none(copy: bytes) -> None:
    keeper = FakeKeeper()
    keeper.copy = copy
    with pytest.raises(NoPolicy):
        await started(BAD, keeper=keeper)


async def test_a_store_that_is_away_at_a_start_without_a_file_is_told() -> None:
    class Away(FakeKeeper):
        async def kept(self) -> bytes | None:
            raise ConnectionError("Redis is away")

    with pytest.raises(NoPolicy):
        await started(BAD, keeper=Away())
    assert (await started(GOOD, keeper=Away())).keep == 4


async def test_a_change_is_taken_over_and_its_services_are_told() -> None:
    world = await started(GOOD)
    world.disk.write(BETTER)
    await world.source.look()
    assert world.keep == 5
    assert world.heard == [{"api"}]
    assert world.keeper.kept_times == 2


async def test_the_same_digest_does_nothing() -> None:
    """Field point 10."""
    world = await started(GOOD)
    held, reads = world.source.policies, world.disk.reads
    for _ in range(5):
        await world.source.look()
    assert world.source.policies is held
    assert (world.heard, world.keeper.kept_times, world.disk.reads - reads) == ([], 1, 5)


async def test_a_change_of_one_service_is_told_of_that_service_alone() -> None:
    """Field points 10 and 11, removal as well as addition."""
    two = GOOD + "  - {cluster: prod, service: worker}\n"
    world = await started(GOOD)
    for text in (
        two,
        two.replace("service: worker}", "service: worker, rules: {cpu: off}}"),
        two,
        GOOD,
        GOOD + "# x\n",
    ):
        world.disk.write(text)
        await world.source.look()
    assert world.heard == [{"worker"}, {"worker"}, {"worker"}, {"worker"}]
    assert world.source.policies.digest == files(GOOD + "# x\n").digest


async def test_a_broken_file_changes_nothing_and_is_told_with_its_line() -> None:
    world = await started(GOOD)
    world.disk.write(BAD)
    await world.source.look()
    assert world.keep == 4
    assert "a.yaml:2:23: defaults.recovery.keeep: there is no such key; did you mean keep?" in (world.fault or "")
    status = world.source.status()
    assert status["digest"] == files(GOOD).digest
    assert status["digest_on_disk"] == files(BAD).digest


async def test_going_back_to_the_old_content_clears_the_fault() -> None:
    """Field point 9: good, bad, the same good."""
    world = await started(GOOD)
    world.disk.write(BAD)
    await world.source.look()
    assert world.fault
    world.disk.write(GOOD)
    await world.source.look()
    assert world.fault is None
    assert world.heard == []


async def test_a_broken_file_is_parsed_once_and_not_at_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await started(GOOD)
    world.disk.write(BAD)
    await world.source.look()
    monkeypatch.setattr(module, "load", lambda *_: pytest.fail("it was parsed again"))
    for _ in range(3):
        await world.source.look()
    assert "keeep" in (world.fault or "")


async def test_a_fault_that_comes_back_is_reported_again() -> None:
    world = await started(GOOD)
    for _ in range(2):
        world.disk.write(BAD)
        await world.source.look()
        assert "keeep" in (world.fault or "")
        world.disk.write(GOOD)
        await world.source.look()
        assert world.fault is None


async def test_a_refused_file_that_is_back_is_what_is_wrong_and_not_that_it_was_away() -> None:
    world = await started(GOOD)
    for text in (BAD, Unreadable("it is not there"), BAD):
        world.disk.write(text)
        await world.source.look()
    assert "keeep" in (world.fault or "")
    world.disk.write(EMPTY)
    await world.source.look()
    world.disk.write(Unreadable("it is not there"))
    await world.source.look()
    world.disk.write(EMPTY)
    await world.source.look()
    assert world.fault == EMPTIED


async def test_what_a_change_changes_is_found_out_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await started(GOOD)
    world.source.of(target("unlisted"))
    compare, threads = Policies.changed_from, []

    def compared(after: Policies, before: Policies, among: frozenset[Target] | None = None) -> frozenset[Target]:
        threads.append((threading.get_ident(), len(among or ())))
        if len(threads) == 1:  # the loop goes on meanwhile, and is asked for another service
            world.source.of(target("late"))
        return compare(after, before, among)

    monkeypatch.setattr(Policies, "changed_from", compared)
    world.disk.write(BETTER)
    await world.source.look()
    (first, of_first), (second, of_second) = threads
    assert first != threading.get_ident()
    assert (second, of_first, of_second) == (threading.get_ident(), 2, 1)
    assert world.heard == [{"api", "unlisted", "late"}]


async def test_a_file_that_is_being_written_is_waited_for() -> None:
    """Field point 6: it is read twice, and what differs is neither taken over nor a fault."""
    world = await started(GOOD)
    world.disk.write("", BETTER, BETTER)
    await world.source.look()
    assert (world.keep, world.fault) == (4, None)
    await world.source.look()
    assert (world.keep, world.fault) == (5, None)
    assert SETTLE_SECONDS in world.slept


async def test_a_writer_that_truncates_sleeps_and_writes_is_never_seen_half(tmp_path: Path) -> None:
    """Field point 6, with a real file."""
    file = tmp_path / "policy.yaml"
    await asyncio.to_thread(file.write_text, GOOD)
    world = World(reader=PathReader(str(file)))

    async def writes_meanwhile(seconds: float) -> None:
        if seconds == SETTLE_SECONDS:
            file.write_text(BETTER)

    await world.source.start()
    world.pause = writes_meanwhile
    file.write_text("")
    await world.source.look()
    assert (world.keep, world.fault) == (4, None)
    await world.source.look()
    assert (world.keep, world.fault) == (5, None)


async def test_a_file_that_is_just_put_there_at_the_start_is_waited_for() -> None:
    assert (await started("", GOOD, GOOD)).keep == 4
    with pytest.raises(NoPolicy, match="changes while it is read"):
        await started("", GOOD, BETTER)


async def test_an_empty_list_where_there_were_services_is_refused_unless_the_file_says_so() -> None:
    """Field point 6."""
    world = await started(GOOD)
    for text in (EMPTY, "version: 1\n"):
        world.disk.write(text)
        await world.source.look()
        assert world.fault == EMPTIED
        assert world.source.all() == (target(),)
    world.disk.write("version: 1\nallow_empty: true\nservices: []\n")
    await world.source.look()
    assert world.fault is None
    assert world.source.all() == ()
    assert world.heard == [{"api"}]


async def test_the_loop_goes_on_when_the_file_goes_comes_back_and_changes_twice() -> None:
    """Field point 8: the file is deleted, put back, changed, and changed again, while the loop runs."""
    world = await started(GOOD)
    seen: list[tuple[int, bool]] = []
    steps: list[str | Exception] = [Unreadable("it is not there"), GOOD, BETTER, GOOD.replace("keep: 4", "keep: 6")]

    async def sleep(seconds: float) -> None:
        if seconds == SETTLE_SECONDS:
            return
        seen.append((world.keep, world.fault is None))
        if not steps:
            raise asyncio.CancelledError
        world.disk.write(steps.pop(0))

    world.pause = sleep
    with pytest.raises(asyncio.CancelledError):
        await world.source.run()
    assert seen == [(4, True), (4, False), (4, True), (5, True), (6, True)]


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("too deep"), ValueError("x"), OSError(5, "I/O error")])
async def test_the_loop_survives_everything_that_loading_can_raise(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Field point 2."""
    world = await started(GOOD)

    def fails(*_: object) -> None:
        raise error

    world.disk.write(BETTER)
    with monkeypatch.context() as patched:
        patched.setattr(module, "load", fails)
        await world.source.look()
    assert world.keep == 4
    assert type(error).__name__ in (world.fault or "")
    await world.source.look()
    assert (world.keep, world.fault) == (5, None)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(st.binary(max_size=60), st.sampled_from([GOOD, BETTER, BAD, EMPTY, "", "version: 1\n"])), max_size=6
    )
)
def test_whatever_the_file_becomes_the_policy_in_force_is_an_old_or_a_new_one(texts: list[str | bytes]) -> None:
    """Field point 2: hypothesis-made files on a running service."""

    async def play() -> None:
        world = await started(GOOD)
        digests = {files(text).digest for text in (GOOD, *texts)}
        for text in texts:
            world.disk.write(text)
            await world.source.look()
            assert world.source.policies.digest in digests
            assert world.source.of(target()).recovery.keep in {4, 5, 10}
            assert world.source.status()["looked_at"] == world.time

    asyncio.run(play())


async def test_replicas_do_not_reload_in_step() -> None:
    """Field point 2: jitter."""
    world = World(GOOD)
    drawn: list[tuple[float, float]] = []

    def jitter(least: float, most: float) -> float:
        drawn.append((least, most))
        if len(drawn) == 3:
            raise asyncio.CancelledError
        return most

    world.source.jitter = jitter
    await world.source.start()
    with pytest.raises(asyncio.CancelledError):
        await world.source.run()
    assert drawn == [POLL_SECONDS] * 3
    assert POLL_SECONDS == (5.0, 10.0)


async def test_the_age_of_the_last_look_is_told() -> None:
    """Field point 8: a loop that stands still is seen by its age."""
    world = await started(GOOD)
    world.time += 3
    assert world.source.status()["looked_at_seconds_ago"] == 3
    world.disk.write(Unreadable("it is not there"))
    await world.source.look()
    assert world.source.status()["looked_at_seconds_ago"] == 0


async def test_a_read_that_hangs_is_told_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await started(GOOD)
    answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
    began = 0

    async def read() -> Found:
        nonlocal began
        began += 1
        return await answer

    monkeypatch.setattr(settled, "READ_SECONDS", 0.01)
    monkeypatch.setattr(world.disk, "read", read)
    await world.source.look()
    await world.source.look()
    assert began == 1
    assert "has not answered" in (world.fault or "")
    answer.set_result(Found(files(GOOD)))
    await world.source.look()
    assert world.fault is None


async def test_a_listener_that_fails_is_a_failed_reload_and_is_told_again() -> None:
    """Field point 1: one subscriber's error was not counted, and the next start failed a month later."""
    world = await started(GOOD)
    told: list[frozenset[Target]] = []

    async def fails_first(targets: frozenset[Target]) -> None:
        told.append(targets)
        if len(told) == 1:
            raise ValueError("the alarm could not be written")

    world.source.listen(fails_first)
    world.disk.write(BETTER)
    await world.source.look()
    assert world.keep == 5
    assert "could not take the new policy over: ValueError: the alarm could not be written" in (world.fault or "")
    await world.source.look()
    assert world.fault is None
    assert told == [frozenset({target()})] * 2
    assert world.heard == [{"api"}]


async def test_a_copy_that_could_not_be_stored_is_told_and_stored_later() -> None:
    world = await started(GOOD)
    world.keeper.away = True
    world.disk.write(BETTER)
    await world.source.look()
    assert world.keep == 5
    assert "could not be stored: ConnectionError: Redis is away" in (world.fault or "")
    world.keeper.away = False
    await world.source.look()
    assert world.fault is None
    assert (await started(BAD, keeper=world.keeper)).keep == 5


async def test_without_a_file_the_environment_is_the_policy_and_the_loop_waits() -> None:
    source = PolicySource(None, Environment(), ACCOUNT, FakeKeeper())
    await source.start()
    assert source.of(source.find("prod", "api")).recovery.keep == 10
    status = source.status()
    assert (status["location"], status["digest"], status["fault"]) == (None, "", None)
    running = asyncio.create_task(source.run())
    await source.look()
    await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def replaced_by_rename(file: Path) -> None:
    new = file.parent / "new"
    new.write_text(BETTER)
    new.rename(file)


def written_in_place(file: Path) -> None:
    file.write_text(BETTER)


def checked_out_by_git(file: Path) -> None:
    """Git removes a file and writes it anew."""
    file.unlink()
    file.write_text(BETTER)


@pytest.mark.parametrize("change", [replaced_by_rename, written_in_place, checked_out_by_git])
async def test_a_change_is_seen_however_it_is_written(change: Callable[[Path], None], tmp_path: Path) -> None:
    """Field point 4."""
    file = tmp_path / "policy.yaml"
    replaced_by_rename(file)
    world = World(reader=PathReader(str(tmp_path)))
    await world.source.start()
    await asyncio.to_thread(file.write_text, GOOD)
    await world.source.look()
    assert world.keep == 4
    change(file)
    await world.source.look()
    assert world.keep == 5


async def test_a_reload_answers_once_a_file_that_is_being_written_is_in_force() -> None:
    """Field point 13."""
    world = await started(GOOD)
    world.disk.write(BETTER[:20], BETTER[:40], BETTER[:60], BETTER)
    assert await world.source.reload() is None
    assert world.keep == 5
    assert await world.source.reload() is None, "nothing has changed"


async def test_a_reload_answers_with_the_fault_and_a_later_one_is_well() -> None:
    world = await started(GOOD)
    world.disk.write(BAD)
    assert "keeep" in str(await world.source.reload())
    assert world.keep == 4
    world.disk.write(BETTER)
    assert await world.source.reload() is None
    assert world.keep == 5


async def test_a_reload_of_a_file_that_never_settles_is_a_fault() -> None:
    world = await started(GOOD)
    world.disk.write(*(f"{GOOD}# {number}\n" for number in range(100)))
    assert "changes each time that it is read" in str(await world.source.reload())
    assert world.keep == 4


async def test_a_reload_beside_a_poll_calls_the_listeners_once() -> None:
    world = await started(GOOD)
    world.disk.write(BETTER)
    _, *faults = await asyncio.gather(world.source.look(), world.source.reload(), world.source.reload())
    assert faults == [None, None]
    assert world.heard == [{"api"}]
