"""What the forger writes would do harm if it were believed, and is not."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from contracts.base import Target
from contracts.envelope import Envelope, Meta, from_message, read_meta
from contracts.recovery import CaptureSnapshot
from services._chassis.signatures import Signatures, Trust, Untrusted
from services._chassis.signing_keys import create_all, read_trusted
from tests.chaos.forger import forged
from tests.chaos.observer import BAD
from tests.security.keys import record_of

TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")
COMMAND = Envelope(
    Meta("command", "surefoot/orchestrator", datetime.now(UTC), run_id="run"),
    CaptureSnapshot(target=TARGET, run_id="run", purpose="before-change"),
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    return create_all(tmp_path_factory.mktemp("keys"))


def test_nothing_that_he_writes_is_believed(environment: Mapping[str, str]) -> None:
    keys = read_trusted(Path(environment["SUREFOOT_TRUSTED_KEYS"]))
    trust = Trust(Signatures.DEMANDED, lambda: keys)
    random, types = Random(7), set()
    for number in range(100):
        message = forged(random, number, [COMMAND], environment)
        assert message is not None
        assert (BAD, b"1") in message.headers
        envelope = from_message(message.headers, message.value)
        types.add(envelope.entry.type)
        with pytest.raises(Untrusted):
            trust.prove(record_of(message), *read_meta(message.headers))
    assert len(types) == 6


def test_without_a_command_there_is_nothing_to_forge(environment: Mapping[str, str]) -> None:
    assert forged(Random(1), 1, [], environment) is None
