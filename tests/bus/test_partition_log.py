"""The dev broker's files: what is read back after a crash, and after damage."""

from pathlib import Path

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from sandbox.kafka.batch import HEADER_BYTES
from sandbox.kafka.catalogue import Catalogue
from sandbox.kafka.codes import Code, Refused
from sandbox.kafka.log import PartitionLog
from sandbox.kafka.offsets import Committed, Offsets


def batch(*values: bytes, producer: int = -1, epoch: int = 0, sequence: int = -1, timestamp: int = 1) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=producer,
        producer_epoch=epoch,
        base_sequence=sequence,
        batch_size=2**20,
    )
    for offset, value in enumerate(values):
        builder.append(offset, timestamp=timestamp, key=None, value=value, headers=[])
    return bytes(builder.build())


def test_an_opened_log_goes_on_where_it_was_left(tmp_path: Path) -> None:
    log = PartitionLog(tmp_path / "0.log")
    assert [log.append(batch(b"a", b"b")), log.append(batch(b"c"))] == [0, 2]
    again = PartitionLog(tmp_path / "0.log")
    assert again.next_offset == 3
    assert again.append(batch(b"d")) == 3
    whole = again.read(0, 10_000, at_least_one=True)
    assert again.read(1, 10_000, at_least_one=True) == whole, "a batch is never split"


@pytest.mark.parametrize("cut", [1, 30, HEADER_BYTES, HEADER_BYTES + 3])
def test_a_torn_tail_is_cut_off(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "0.log"
    PartitionLog(path).append(batch(b"kept"))
    kept = path.read_bytes()
    path.write_bytes(kept + batch(b"torn, and long enough to cut")[:cut])
    log = PartitionLog(path)
    assert log.next_offset == 1
    assert path.read_bytes() == kept
    assert log.append(batch(b"next")) == 1
    assert PartitionLog(path).next_offset == 2


def test_a_tail_whose_checksum_fails_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    log = PartitionLog(path)
    log.append(batch(b"kept"))
    kept = path.stat().st_size
    log.append(batch(b"rotten"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 0xFF
    path.write_bytes(data)
    assert PartitionLog(path).next_offset == 1
    assert path.stat().st_size == kept


def test_reading_keeps_to_whole_batches_within_the_limit(tmp_path: Path) -> None:
    log = PartitionLog(tmp_path / "0.log")
    size = len(batch(b"0"))
    for number in range(5):
        log.append(batch(b"%d" % number))
    assert len(log.read(1, 2 * size, at_least_one=False)) == 2 * size
    assert len(log.read(1, 3 * size - 1, at_least_one=False)) == 2 * size
    assert log.read(1, size - 1, at_least_one=False) == b""
    assert len(log.read(1, 0, at_least_one=True)) == size
    assert log.read(5, 10_000, at_least_one=True) == b""
    for offset in (-1, 6):
        with pytest.raises(Refused) as refused:
            log.read(offset, 10_000, at_least_one=True)
        assert refused.value.code is Code.OFFSET_OUT_OF_RANGE


def test_damaged_batches_are_refused_and_not_stored(tmp_path: Path) -> None:
    log = PartitionLog(tmp_path / "0.log", max_batch_bytes=1_000)
    good = batch(b"good")
    rotten = bytearray(good)
    rotten[-1] ^= 0xFF
    for data, code in (
        (b"", Code.CORRUPT_MESSAGE),
        (bytes(rotten), Code.CORRUPT_MESSAGE),
        (good + good, Code.INVALID_RECORD),
        (batch(b"x" * 1_000), Code.MESSAGE_TOO_LARGE),
    ):
        with pytest.raises(Refused) as refused:
            log.append(data)
        assert refused.value.code is code
    assert log.next_offset == 0


def test_duplicates_are_recognised_after_a_restart_too(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    log = PartitionLog(path)
    sent = [batch(b"%d" % n, producer=7, sequence=n) for n in range(8)]
    assert [log.append(data) for data in sent] == list(range(8))
    log = PartitionLog(path)
    assert [log.append(data) for data in sent[3:]] == [3, 4, 5, 6, 7]
    for stale in (sent[2], batch(b"gap", producer=7, sequence=9)):
        with pytest.raises(Refused) as refused:
            log.append(stale)
        assert refused.value.code is Code.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append(batch(b"new epoch", producer=7, epoch=1, sequence=0)) == 8
    with pytest.raises(Refused) as refused:
        log.append(batch(b"old epoch", producer=7, sequence=8))
    assert refused.value.code is Code.INVALID_PRODUCER_EPOCH


def test_sequences_begin_again_after_the_largest_number(tmp_path: Path) -> None:
    log = PartitionLog(tmp_path / "0.log")
    log.append(batch(b"a", b"b", producer=1, sequence=2**31 - 2))
    assert log.append(batch(b"c", producer=1, sequence=0)) == 2


def test_a_time_finds_the_first_record_not_older(tmp_path: Path) -> None:
    log = PartitionLog(tmp_path / "0.log")
    for timestamp in (10, 30, 20, 40):
        log.append(batch(b"x", timestamp=timestamp))
    assert [log.first_since(t) for t in (0, 11, 31, 41)] == [(10, 0), (30, 1), (40, 3), None]


def test_topics_and_identities_outlive_the_catalogue(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path, default_partitions=12)
    catalogue.create("kept")
    catalogue.create("gone", 3)
    catalogue.partition("gone", 0).append(batch(b"old"))
    catalogue.delete("gone")
    catalogue.create("gone", 2)
    first = catalogue.next_producer_id()
    again = Catalogue(tmp_path, default_partitions=1)
    assert {name: len(again.topic(name)) for name in again.names()} == {"kept": 12, "gone": 2}
    assert again.partition("gone", 0).next_offset == 0, "a topic made anew begins anew"
    assert again.cluster_id == catalogue.cluster_id
    assert again.next_producer_id() > first


def test_a_torn_line_of_committed_offsets_is_cut_off(tmp_path: Path) -> None:
    offsets = Offsets(tmp_path)
    for offset in range(100):
        offsets.commit("g", "t", 0, Committed(offset, "note"))
    path = tmp_path / "offsets.jsonl"
    with path.open("ab") as file:
        file.write(b'["g","t",0,1')
    again = Offsets(tmp_path)
    assert again.of("g") == {("t", 0): Committed(99, "note")}
    assert len(path.read_bytes().splitlines()) == 1, "what is no longer true is dropped on opening"
    again.forget_topic("t")
    assert Offsets(tmp_path).of("g") == {}
