"""The policy is the root of trust: who may change it, from where it is read, and what is told of a change."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import structlog
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from contracts.base import Target
from contracts.topics import Party
from services._chassis.policy import verifier_of
from services._chassis.policy_signatures import sign, verifier
from services._chassis.readiness import Readiness
from services._chassis.settings import Settings
from services._chassis.signing_keys import KeyFault, TrustedKey, create, private_path, write_trusted
from services._policy.changes import LONGEST, differences
from services._policy.environment import Environment
from services._policy.files import File, Files
from services._policy.read import Found, S3Reader, Unreadable, read_path, signature_path
from services._policy.source import NoPolicy, PolicySource
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo
from surefoot.policy import app
from tests.kit import FakeKeeper
from tests.policy.loading import ACCOUNT, files, policies, target

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GOOD = "version: 1\ndefaults: {recovery: {keep: 4}}\nservices:\n  - {cluster: prod, service: api}\n"
BETTER = GOOD.replace("keep: 4", "keep: 5")
WORSE = GOOD.replace("keep: 4", "enabled: false")
ALICE, MALLORY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def trusted(private: Ed25519PrivateKey, party: Party = Party.OPERATORS, name: str = "alice") -> TrustedKey:
    return TrustedKey(party, private.public_key(), name)


KEYS = {key.id: key for key in (trusted(ALICE), trusted(MALLORY, Party.CI, "team-a"))}
verify = verifier({"operators:alice"}, lambda: KEYS, lambda: NOW)


def signed(text: str, by: Ed25519PrivateKey = ALICE, at: datetime = NOW) -> Files:
    given = files(text)
    return replace(given, signature=sign(given, by, at))


def test_who_may_has_signed_it() -> None:
    assert verify(signed(GOOD)) == NOW.timestamp()
    assert verify(signed(GOOD, at=NOW - HOUR)) == (NOW - HOUR).timestamp()


def test_a_directory_is_signed_whole_and_is_no_file() -> None:
    given = files(GOOD, "version: 1\n")
    held = replace(given, signature=sign(given, ALICE, NOW))
    assert verify(held) == NOW.timestamp()
    for changed in (
        replace(held, files=held.files[:1]),
        replace(held, files=(*held.files, File("c.yaml", b"version: 1\n"))),
        replace(held, files=(File("z.yaml", held.files[0].content), *held.files[1:])),
        Files((File("a.yaml", listing(held)),), signature=held.signature),
    ):
        with pytest.raises(Unreadable, match="does not fit"):
            verify(changed)


def listing(held: Files) -> bytes:
    """Return a file whose digest is that of the directory."""
    sums = {file.name: Files((file,)).digest for file in held.files}
    content = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    assert Files((File("a.yaml", content),)).digest == held.digest
    return content


FORGED: dict[str, tuple[Files, str]] = {
    "not signed": (files(GOOD), "it is not signed, and operators:alice must have"),
    "changed afterwards": (replace(files(WORSE), signature=signed(GOOD).signature), "does not fit"),
    "by another party's key": (signed(GOOD, MALLORY), "not a trusted one of operators:alice"),
    "by a stranger": (signed(GOOD, Ed25519PrivateKey.generate()), "not a trusted one of operators:alice"),
    "of a time to come": (signed(GOOD, at=NOW + HOUR), "of a time to come"),
    "with a later time": (
        replace(files(GOOD), signature=signed(GOOD).signature.replace("T12:", "T11:")),
        "does not fit",
    ),
    "of no time": (
        replace(files(GOOD), signature=signed(GOOD).signature.replace("-11-27T", "-02-31T")),
        "does not fit",
    ),
    "in another's name": (
        replace(files(GOOD), signature=trusted(ALICE).id + signed(GOOD, MALLORY).signature[16:]),
        "does not fit",
    ),
    "twice": (replace(files(GOOD), signature=signed(GOOD).signature * 2), "cannot be read"),
    "nothing but white space": (replace(files(GOOD), signature=" \n"), "cannot be read"),
    "garbage": (replace(files(GOOD), signature="\x00" * 4096), "cannot be read"),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_is_not_signed_as_is_demanded_is_not_believed(name: str) -> None:
    forged, sentence = FORGED[name]
    with pytest.raises(Unreadable, match=sentence):
        verify(forged)


def test_a_retired_key_signs_no_policy_any_more() -> None:
    keys = {key.id: replace(key, until=NOW - HOUR) for key in (trusted(ALICE),)}
    check = verifier({"operators:alice"}, lambda: keys, lambda: NOW)
    assert check(signed(GOOD, at=NOW - 2 * HOUR))
    with pytest.raises(Unreadable, match="had been retired"):
        check(signed(GOOD))


class Disk:
    location = "/etc/surefoot/policy.yaml"

    def __init__(self, found: Files) -> None:
        self.found = found

    async def read(self) -> Found:
        return Found(self.found, version="v1")


class World:
    def __init__(self, found: Files, keeper: FakeKeeper | None = None, *, demanded: bool = True) -> None:
        self.disk = Disk(found)
        self.keeper = keeper or FakeKeeper()
        self.degraded: dict[str, str | None] = {}
        self.source = PolicySource(
            self.disk,
            Environment(),
            ACCOUNT,
            self.keeper,
            self.degraded.__setitem__,
            verify if demanded else None,
            sleep=lambda _: asyncio.sleep(0),
        )

    async def look(self, found: Files) -> str | None:
        self.disk.found = found
        await self.source.look()
        fault: str | None = self.source.status()["fault"]
        return fault

    @property
    def keep(self) -> int:
        return self.source.of(target()).recovery.keep


async def started(found: Files, keeper: FakeKeeper | None = None, *, demanded: bool = True) -> World:
    world = World(found, keeper, demanded=demanded)
    await world.source.start()
    return world


async def test_a_policy_that_is_not_signed_leaves_the_last_one_in_force_and_is_told() -> None:
    world = await started(signed(GOOD))
    for forged in (files(WORSE), replace(files(WORSE), signature=signed(GOOD).signature), signed(WORSE, MALLORY)):
        assert await world.look(forged)
        assert (world.keep, world.source.of(target()).recovery.enabled) == (4, True)
        assert "stays in force" in str(world.degraded["policy"])
    assert await world.look(signed(BETTER)) is None
    assert world.keep == 5


async def test_a_signature_that_comes_after_its_policy_is_seen() -> None:
    world = await started(signed(GOOD))
    assert await world.look(files(BETTER))
    assert await world.look(signed(BETTER)) is None
    assert world.keep == 5


async def test_an_old_policy_cannot_be_put_back_and_can_be_signed_again() -> None:
    old = signed(GOOD, at=NOW - 2 * HOUR)
    world = await started(old)
    assert await world.look(signed(BETTER, at=NOW - HOUR)) is None
    assert "signed before the policy in force" in str(await world.look(old))
    assert world.keep == 5
    assert await world.look(signed(GOOD)) is None
    assert world.keep == 4


async def test_nor_can_it_at_the_next_start() -> None:
    old = signed(GOOD, at=NOW - 2 * HOUR)
    before = await started(old)
    await before.look(signed(BETTER, at=NOW - HOUR))
    after = await started(old, before.keeper)
    assert after.keep == 5
    assert after.source.status()["from_kept_copy"]
    assert "signed before" in str(after.source.status()["fault"])


async def test_a_signature_that_is_taken_away_is_told_and_changes_nothing() -> None:
    world = await started(signed(GOOD))
    assert "it is not signed" in str(await world.look(files(GOOD)))
    assert world.keep == 4
    assert await world.look(signed(GOOD)) is None


async def test_a_first_start_without_a_signature_stops() -> None:
    with pytest.raises(NoPolicy, match="it is not signed, and operators:alice must have signed it"):
        await started(files(GOOD))


async def test_a_copy_that_was_put_into_redis_is_not_believed() -> None:
    forged = await started(files(WORSE), demanded=False)
    with pytest.raises(NoPolicy):
        await started(files(BETTER), forged.keeper)
    genuine = await started(signed(GOOD))
    assert (await started(files(WORSE), genuine.keeper)).keep == 4


async def test_a_change_is_told_with_what_has_changed_and_without_the_external_id() -> None:
    first = GOOD + 'accounts:\n  "210987654321": {role: "arn:aws:iam::210987654321:role/a", external_id: first-id}\n'
    second = first.replace("keep: 4", "keep: 5").replace("first-id", "second-id")
    world = await started(files(first), demanded=False)
    with structlog.testing.capture_logs() as logs:
        await world.look(files(second))
    assert world.source.last_change is not None
    told = world.source.last_change.shown()
    assert "last_change" not in world.source.status()
    assert told["changes"] == [
        "account 210987654321: external id or session",
        f"{target()} recovery.keep: 4 → 5",
    ]
    assert (told["from"], told["to"], told["version"]) == (files(first).digest, files(second).digest, "v1")
    assert world.source.status()["version_in_force"] == "v1"
    [line] = [line for line in logs if line["event"] == "the policy has changed"]
    assert line["changes"] == told["changes"]
    assert "-id" not in str(logs)


def test_who_may_use_the_api_is_told() -> None:
    before, after = policies(GOOD), policies(GOOD.replace("{recovery", "{access: {admins: ['key:mallory']}, recovery"))
    lines = [line for _, line in differences(before, after, before.known() | after.known())]
    assert lines[0] == "admins: nobody → key:mallory"
    assert f'{target()} access.admins: [] → ["key:mallory"]' in lines


def test_services_that_come_and_go_are_told_and_long_values_are_cut() -> None:
    before = policies(GOOD)
    after = policies(
        GOOD.replace("service: api", "service: web")
        + f"  - {{cluster: a, service: b, application: {{endpoints: [/{'x' * 300}]}}}}\n"
    )
    among = before.known() | after.known()
    lines = [line for _, line in differences(before, after, among)]
    assert f"{target()} is no longer listed" in lines
    assert f"{target('web')} is listed" in lines
    assert max(map(len, lines)) < 3 * LONGEST
    assert list(differences(before, before, among)) == []


async def test_a_change_of_many_services_is_told_in_part() -> None:
    services = "".join(f"  - {{cluster: prod, service: api-{number}}}\n" for number in range(200))
    world = await started(files(GOOD + services), demanded=False)
    await world.look(files(BETTER + services))
    assert world.source.last_change is not None
    told = world.source.last_change.shown()["changes"]
    assert (len(told), told[-1]) == (51, "and more")


async def test_who_sees_one_service_is_told_what_changes_there_however_much_changes_elsewhere() -> None:
    """As many lines about others come first as are kept for everybody."""
    others = "".join(f"  - {{cluster: an, service: other-{number}}}\n" for number in range(100))
    first = GOOD + others + 'accounts:\n  "210987654321": {role: "arn:aws:iam::210987654321:role/a", external_id: x1}\n'
    world = await started(files(first), demanded=False)
    await world.look(files(first.replace("keep: 4", "keep: 5").replace("role/a", "role/b")))
    assert world.source.last_change is not None
    change = world.source.last_change

    def told(*seen: Target | None) -> list[str]:
        return list(change.shown(lambda target: target in seen)["changes"])

    assert told(target()) == [f"{target()} recovery.keep: 4 → 5"]
    assert told() == []
    assert (len(told(None)), "account 210987654321 role" in told(None)[0]) == (51, True)


class S3:
    """Answers GetObject as S3 does where the bucket belongs to ``owner``."""

    def __init__(self, objects: dict[str, str], version: str | None = "v7") -> None:
        self.objects = objects
        self.version = version
        self.owners: list[str] = []

    async def __call__(self, service: str, operation: str, /, **asked: Any) -> dict[str, Any]:
        assert (service, operation) == ("s3", "get_object")
        self.owners.append(asked["ExpectedBucketOwner"])
        if asked["Key"] not in self.objects:
            metadata: Any = {"HTTPStatusCode": 404, "HTTPHeaders": {}}
            raise ClientError({"Error": {"Code": "NoSuchKey"}, "ResponseMetadata": metadata}, operation)
        version = {"VersionId": self.version} if self.version else {}
        return {"Body": BytesIO(self.objects[asked["Key"]].encode()), **version}


async def test_from_s3_it_comes_with_owner_version_and_signature() -> None:
    given = signed(GOOD)
    s3 = S3({"policy.yaml": GOOD, "policy.yaml.sig": given.signature})
    found = await S3Reader("s3://bucket/policy.yaml", s3, "210987654321", signed=True).read()
    assert verify(found.files) == NOW.timestamp()
    assert found.version == "v7"
    assert s3.owners == ["210987654321"] * 2


async def test_where_none_is_demanded_no_signature_is_asked_for() -> None:
    s3 = S3({"policy.yaml": GOOD})
    assert (await S3Reader("s3://bucket/policy.yaml", s3, ACCOUNT).read()).files.signature == ""
    assert (await S3Reader("s3://bucket/policy.yaml", s3, ACCOUNT, signed=True).read()).files.signature == ""
    assert len(s3.owners) == 3


@pytest.mark.parametrize("version", [None, "null"])
async def test_a_bucket_without_versions_is_refused(version: str | None) -> None:
    with pytest.raises(Unreadable, match="keeps no versions"):
        await S3Reader("s3://bucket/policy.yaml", S3({"policy.yaml": GOOD}, version), ACCOUNT).read()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    directory = tmp_path / "keys"
    (directory / "trusted").mkdir(parents=True)
    write_trusted(directory / "trusted/trusted.yaml", [create(directory, Party.OPERATORS, "alice")])
    return directory


@pytest.mark.parametrize("whole", [False, True])
def test_the_command_signs_what_services_read(keys: Path, tmp_path: Path, *, whole: bool) -> None:
    path = tmp_path / "policy" if whole else tmp_path / "policy.yaml"
    if whole:
        path.mkdir()
    (path / "a.yaml" if whole else path).write_text(GOOD)
    key = str(private_path(keys, "alice"))
    assert app(("sign", str(path), "--key", key), exit_on_error=False, result_action="return_value") == Exit.SUCCEEDED
    assert signature_path(path).exists()
    settings = Settings(
        surefoot_policy=str(path),
        surefoot_policy_signed_by="operators:bob,operators:alice",
        surefoot_trusted_keys=str(keys / "trusted/trusted.yaml"),
    )
    check = verifier_of(settings, Readiness())
    assert check is not None
    assert check(read_path(str(path)).files)
    (path / "a.yaml" if whole else path).write_text(WORSE)
    with pytest.raises(Unreadable, match="does not fit"):
        check(read_path(str(path)).files)


def test_the_command_writes_through_no_link(keys: Path, tmp_path: Path) -> None:
    path, victim = tmp_path / "policy.yaml", tmp_path / "victim"
    path.write_text(GOOD)
    victim.write_text("somebody else's")
    for name in ("policy.yaml.sig", "policy.yaml.sig.new"):
        (tmp_path / name).symlink_to(victim)
    key = str(private_path(keys, "alice"))
    assert app(("sign", str(path), "--key", key), exit_on_error=False, result_action="return_value") == Exit.SUCCEEDED
    assert victim.read_text() == "somebody else's"
    assert read_path(str(path)).files.signature


def test_no_file_of_a_directory_can_stand_for_two(tmp_path: Path) -> None:
    """The digest is that of lines with the names: a name with such a line in it would hide that a file is gone."""
    (tmp_path / "10-defaults.yaml\n0123  20-payments.yaml").write_text(GOOD)
    with pytest.raises(Unreadable, match="rename it"):
        read_path(str(tmp_path))


def test_the_command_signs_nothing_that_is_faulty(keys: Path, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD.replace("keep", "keeep"))
    with pytest.raises(CannotDo, match="did you mean keep"):
        app(
            ("sign", str(path), "--key", str(private_path(keys, "alice"))),
            exit_on_error=False,
            result_action="return_value",
        )
    assert not signature_path(path).exists()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"surefoot_policy_signed_by": "operators"}, "SUREFOOT_POLICY is not"),
        ({"surefoot_policy_signed_by": "operators", "surefoot_policy": "p.yaml"}, "SUREFOOT_TRUSTED_KEYS"),
    ],
)
def test_a_demand_that_cannot_be_kept_stops_the_start(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(KeyFault, match=sentence):
        verifier_of(Settings.model_validate(given), Readiness())


@pytest.mark.parametrize("holders", ["Operators", "operators:alice,", ",", "operators alice"])
def test_names_of_holders_are_read_strictly(holders: str) -> None:
    """A demand that is misspelt must not become none."""
    with pytest.raises(ValidationError):
        Settings(surefoot_policy_signed_by=holders)
