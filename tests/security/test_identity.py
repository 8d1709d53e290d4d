"""A service's keys: from files, read again as they change, and a sentence where they do not fit."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from contracts.topics import SERVICES, Party
from services._chassis import signing_keys
from services._chassis.identity import LOOK_SECONDS, TrustedKeys, identity_of
from services._chassis.readiness import Readiness
from services._chassis.settings import Settings
from services._chassis.signing_keys import KeyFault, read_trusted
from tests.kit import FakeClock


def settings_of(directory: Path, **changed: Any) -> Settings:
    made = {name.lower(): value for name, value in signing_keys.create_all(directory).items()}
    return Settings(**{**made, **changed})


@pytest.mark.parametrize("party", SERVICES)
def test_each_service_signs_with_its_own_key(tmp_path: Path, party: Party) -> None:
    readiness = Readiness()
    identity = identity_of(settings_of(tmp_path), party, readiness)
    assert identity.signer is not None
    assert identity.trust.demands
    assert identity.trust.keys()[identity.signer.key_id].named == party
    assert readiness.degraded == []


@pytest.mark.parametrize(("mode", "said"), [("off", "are not signed"), ("accepted", "without a signature")])
def test_what_is_not_demanded_is_said(tmp_path: Path, mode: str, said: str) -> None:
    readiness = Readiness()
    identity = identity_of(settings_of(tmp_path, surefoot_signatures=mode), Party.MONITOR, readiness)
    assert not identity.trust.demands
    assert (identity.signer is None) == (mode == "off")
    (sentence,) = readiness.degraded
    assert said in sentence


@pytest.mark.parametrize("missing", ["surefoot_signing_key", "surefoot_trusted_keys"])
def test_a_setting_that_is_missing_is_named_with_what_to_do(tmp_path: Path, missing: str) -> None:
    with pytest.raises(KeyFault, match=f"{missing.upper()} is not set: surefoot signing-keys"):
        identity_of(settings_of(tmp_path, **{missing: None}), Party.MONITOR, Readiness())


def test_a_key_that_the_others_do_not_trust_stops_the_start(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    trusted = signing_keys.trusted_path(tmp_path)
    keys = [key for key in read_trusted(trusted).values() if key.party is not Party.MONITOR]
    signing_keys.write_trusted(trusted, keys)
    with pytest.raises(KeyFault, match="does not trust the key of monitor"):
        identity_of(settings, Party.MONITOR, Readiness())
    identity_of(settings, Party.HEALTH, Readiness())


def test_the_key_of_another_service_stops_the_start(tmp_path: Path) -> None:
    path = str(signing_keys.private_path(tmp_path, "health"))
    with pytest.raises(KeyFault, match="does not trust the key of monitor"):
        identity_of(settings_of(tmp_path, surefoot_signing_key=path), Party.MONITOR, Readiness())


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\n%%%\n-----END PRIVATE KEY-----\n"])
def test_a_private_key_that_cannot_be_read_is_told_without_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(KeyFault, match="has no private key in PEM"):
        signing_keys.read_private(path)
    with pytest.raises(KeyFault, match="cannot be read: No such file"):
        signing_keys.read_private(tmp_path / "none.pem")


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    other = generate_private_key(SECP256R1())
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyFault, match="has no Ed25519 key"):
        signing_keys.read_private(path)


GOOD = "9n0O0YcOSnqMfTXBDcVlBrpkzBPkZQDsbT3FyBqUXkE="


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\nkeys: [", "is no YAML"),
        ("keys: []", "must have version: 1"),
        ("version: 2\nkeys: []", "must have version: 1"),
        ("version: 1\nkeys: {}", "a list of keys"),
        ("version: 1\nkeys: [x]", "key 1: party, public"),
        (f"version: 1\nkeys: [{{party: monitor, public: {GOOD}, role: x}}]", "not role"),
        (f"version: 1\nkeys: [{{party: dashboards, public: {GOOD}}}]", "party must be one of"),
        (f"version: 1\nkeys: [{{party: monitor, name: a, public: {GOOD}}}]", "name is for outside parties"),
        (f"version: 1\nkeys: [{{party: ci, name: A/b, public: {GOOD}}}]", "name is for outside parties"),
        (f"version: 1\nkeys: [{{party: ci, public: {GOOD}, until: tomorrow}}]", "until must be a moment"),
        (f"version: 1\nkeys: [{{party: ci, public: {GOOD}, until: 2027-01-01}}]", "until must be a moment"),
        ("version: 1\nkeys: [{party: ci, public: AAAA}]", "public must be the 32 bytes"),
        ("version: 1\nkeys: [{party: ci}]", "public must be the 32 bytes"),
        (f"version: 1\nkeys: [{{party: ci, public: {GOOD}}}, {{party: monitor, public: {GOOD}}}]", "a key twice"),
        ("version: 1\nkeys: " + "[" * 5000, "is no YAML"),
    ],
)
def test_a_file_that_does_not_fit_is_told(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "trusted.yaml"
    path.write_text(text)
    with pytest.raises(KeyFault, match=said):
        read_trusted(path)


def test_a_change_is_taken_over_and_a_broken_file_leaves_what_was_trusted(tmp_path: Path) -> None:
    signing_keys.create_all(tmp_path)
    path, readiness, clock = signing_keys.trusted_path(tmp_path), Readiness(), FakeClock(0)
    trusted = TrustedKeys(path, readiness, clock.now)
    before = {*trusted()}
    new = signing_keys.create(tmp_path, Party.CI, "team-a")
    signing_keys.write_trusted(path, [*read_trusted(path).values(), new])
    assert {*trusted()} == before
    clock.time += LOOK_SECONDS
    assert {*trusted()} == before | {new.id}
    for broken in ("version: 1", None):
        path.unlink() if broken is None else path.write_text(broken)
        clock.time += LOOK_SECONDS
        assert {*trusted()} == before | {new.id}
        (sentence,) = readiness.degraded
        assert sentence.endswith("the keys that were trusted before still are.")
    signing_keys.write_trusted(path, [new])
    clock.time += LOOK_SECONDS
    assert ({*trusted()}, readiness.degraded) == ({new.id}, [])


def test_keys_that_are_there_stay_and_nobody_else_can_read_them(tmp_path: Path) -> None:
    signing_keys.create_all(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert signing_keys.create_all(tmp_path)["SUREFOOT_SIGNATURES"] == "demanded"
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before
    assert {path.stat().st_mode & 0o077 for path in tmp_path.rglob("*.pem")} == {0}
    with pytest.raises(FileExistsError):
        signing_keys.create(tmp_path, Party.MONITOR)
