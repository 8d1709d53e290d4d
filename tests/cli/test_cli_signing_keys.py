"""``surefoot signing-keys`` and ``surefoot acls``."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from contracts.catalogue import CATALOGUE
from contracts.topics import SERVICES, Party
from services._chassis import signing_keys
from services._chassis.kafka_acls import acls
from services._chassis.signing_keys import SIGNING, read_private, read_trusted, trusted_path, write_trusted
from surefoot.acls import listed
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo
from surefoot.signing_keys import LONGEST_KEPT, app

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    def run(*command: str) -> tuple[int, str]:
        code = app((*command, "--directory", str(tmp_path)), exit_on_error=False, result_action="return_value")
        return int(code), capsys.readouterr().out

    return run


def test_a_first_set_of_keys_is_made_with_the_settings_that_use_it(run: Run, tmp_path: Path) -> None:
    code, said = run("init")
    assert code == Exit.SUCCEEDED
    settings = {"SUREFOOT_SIGNATURES", "SUREFOOT_SIGNING_KEY", "SUREFOOT_TRUSTED_KEYS"}
    assert set(re.findall(r"export (\w+)=", said)) == settings
    assert [key.party for key in read_trusted(trusted_path(tmp_path)).values()] == [*SIGNING]


def test_a_key_that_others_may_read_is_told(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("init")
    listing = ("list", "--directory", str(tmp_path))
    app(listing, exit_on_error=False, result_action="return_value")
    assert "may read" not in capsys.readouterr().err
    (tmp_path / "recovery/key.pem").chmod(0o644)
    app(listing, exit_on_error=False, result_action="return_value")
    assert "recovery/key.pem has a private key that others may read" in " ".join(capsys.readouterr().err.split())


def test_a_pipeline_gets_a_key_of_its_own(run: Run, tmp_path: Path) -> None:
    code, said = run("create", "ci", "--name", "team-a", "--json")
    made = orjson.loads(said)
    assert (code, made["holder"]) == (Exit.SUCCEEDED, "ci:team-a")
    assert signing_keys.key_id(read_private(tmp_path / "team-a" / "key.pem").public_key()) == made["id"]


def test_a_key_is_replaced_while_the_one_before_is_still_trusted(run: Run, tmp_path: Path) -> None:
    run("create", "monitor")
    before = (tmp_path / "monitor" / "key.pem").read_bytes()
    run("create", "monitor")
    assert (tmp_path / "monitor" / "previous.pem").read_bytes() == before
    old, new = read_trusted(trusted_path(tmp_path)).values()
    assert old.party is new.party is Party.MONITOR
    run("retire", old.id)
    assert [key.until is None for key in read_trusted(trusted_path(tmp_path)).values()] == [False, True]


def test_a_key_is_removed_only_when_nothing_that_it_has_signed_can_be_read_again(run: Run, tmp_path: Path) -> None:
    run("create", "ci")
    (key,) = read_trusted(trusted_path(tmp_path)).values()
    with pytest.raises(CannotDo, match="retire it first, or say --stolen"):
        run("remove", key.id)
    run("retire", key.id)
    with pytest.raises(CannotDo, match="wait until"):
        run("remove", key.id)
    long_ago = datetime.now(UTC) - LONGEST_KEPT - timedelta(minutes=1)
    write_trusted(trusted_path(tmp_path), [signing_keys.retired(key, long_ago)])
    assert run("remove", key.id) == (Exit.SUCCEEDED, "")
    assert run("list")[1] == "no keys are trusted\n"


def test_a_stolen_key_is_removed_at_once(run: Run) -> None:
    made = orjson.loads(run("create", "ci", "--json")[1])
    assert run("remove", made["id"], "--stolen")[0] == Exit.SUCCEEDED
    assert orjson.loads(run("list", "--json")[1]) == {"keys": []}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("create", "dashboards"), "'dashboards' signs nothing"),
        (("create", "monitor", "--name", "a"), "--name is for ci and operators"),
        (("create", "ci", "--name", "../x"), "--name is for ci and operators"),
        (("create", "ci", "--name", "recovery"), "--name may not be recovery"),
        (("create", "operators", "--name", "trusted"), "--name may not be trusted"),
        (("retire", "0000"), "no key 0000 is trusted"),
        (("remove", "0000"), "no key 0000 is trusted"),
    ],
)
def test_what_cannot_be_done_is_told(run: Run, command: tuple[str, ...], said: str) -> None:
    with pytest.raises(CannotDo, match=re.escape(said)) as raised:
        run(*command)
    assert raised.value.code == Exit.USAGE


def test_the_acls_are_those_of_the_catalogue() -> None:
    found = [*acls()]
    may = {(acl.principal, acl.operation, acl.name) for acl in found if acl.resource == "topic"}
    for entry in CATALOGUE:
        for party in Party:
            principal = f"User:surefoot-{party}"
            assert ((principal, "Read", entry.topic.name) in may) >= (party in entry.readers)
            assert ((principal, "Write", entry.topic.name) in may) >= (party in entry.writers)
    writers = {acl.principal for acl in found if acl.operation == "Write" and acl.name == "recovery.commands.v1"}
    assert writers == {"User:surefoot-orchestrator", "User:surefoot-operators"}, "operators replay"
    groups = {(acl.principal, acl.name) for acl in found if acl.resource == "group"}
    assert groups == {(f"User:surefoot-{party}", str(party)) for party in SERVICES}
    assert not [acl for acl in found if "*" in (acl.principal, acl.name)]


def test_the_acls_are_arguments_for_kafkas_own_tool() -> None:
    lines = listed([*acls({Party.RECOVERY: "User:CN=recovery"})], "kafka-acls").splitlines()
    assert "--add --allow-principal User:CN=recovery --operation Read --topic recovery.commands.v1" in lines
    assert "--add --allow-principal User:CN=recovery --operation IdempotentWrite --cluster" in lines
    assert len(lines) == len(set(lines))
