"""Which policy stands for which service: names, accounts, directories, and what a change is."""

import hashlib
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from services._policy.files import File, Files
from services._policy.policies import MOST_UNLISTED, Ambiguous, Refused
from services._policy.read import read_path
from tests.policy.loading import ACCOUNT, OTHER, faults, files, of, policies, target

ROLE = f'accounts:\n  "{OTHER}": {{role: "arn:aws:iam::{OTHER}:role/surefoot"}}\n'
TWO_ACCOUNTS = f"""\
version: 1
{ROLE}services:
  - {{cluster: prod, service: api}}
  - {{cluster: prod, service: api, account: "{OTHER}", recovery: {{keep: 3}}}}
  - {{cluster: prod, service: api, region: eu-west-1}}
  - {{cluster: prod, service: worker, account: "{OTHER}"}}
"""


def test_a_name_that_is_listed_once_is_its_target() -> None:
    loaded = policies(TWO_ACCOUNTS)
    assert loaded.find("prod", "worker") == target("worker", account=OTHER)
    assert loaded.of(target(account=OTHER)).recovery.keep == 3


def test_a_name_that_is_listed_several_times_is_ambiguous_and_the_choices_are_told() -> None:
    loaded = policies(TWO_ACCOUNTS)
    with pytest.raises(Ambiguous, match="name the account and the region") as ambiguous:
        loaded.find("prod", "api")
    assert ambiguous.value.choices == (target(), target(account=OTHER), target(region="eu-west-1"))
    with pytest.raises(Ambiguous):
        loaded.find("prod", "api", ACCOUNT)
    assert loaded.find("prod", "api", OTHER) == target(account=OTHER)
    assert loaded.find("prod", "api", ACCOUNT, "eu-west-1") == target(region="eu-west-1")


def test_a_service_that_is_not_listed_has_the_defaults() -> None:
    loaded = policies("version: 1\ndefaults: {recovery: {keep: 4}, region: eu-west-1}\n")
    found = loaded.find("prod", "new")
    assert found == target("new", region="eu-west-1")
    assert loaded.of(found).recovery.keep == 4
    assert loaded.explain(found).values["service"].origin == "as asked for"


def test_a_service_that_is_not_listed_is_found_only_where_others_are() -> None:
    """A mistyped region must not become a service of its own."""
    with pytest.raises(Refused, match="region where the policy lists no service"):
        policies("version: 1\n").find("prod", "new", region="us-east-1")
    listed = "version: 1\nservices:\n  - {cluster: prod, service: api, region: us-east-1}\n"
    assert policies(listed).find("prod", "new", region="us-east-1") == target("new", region="us-east-1")


def test_a_default_account_without_a_role_is_a_fault() -> None:
    assert faults(f'version: 1\ndefaults: {{account: "{OTHER}"}}\n').startswith(
        "a.yaml:2:12: defaults.account: account"
    )
    assert faults(f'version: 1\ndefaults: {{account: "{OTHER}"}}\n{ROLE}') == ""


def test_a_service_that_is_not_listed_is_refused_where_the_policy_says_so() -> None:
    loaded = policies("version: 1\nunlisted: refuse\nservices:\n  - {cluster: prod, service: api}\n")
    assert loaded.find("prod", "api") == target()
    with pytest.raises(Refused, match="not listed"):
        loaded.find("prod", "new")
    with pytest.raises(Refused, match="not listed"):
        loaded.of(target("new"))


def test_an_account_without_a_role_is_refused() -> None:
    with pytest.raises(Refused, match=f"no role for account {OTHER}"):
        policies("version: 1\n").find("prod", "api", OTHER)
    assert policies(f"version: 1\n{ROLE}").find("prod", "api", OTHER) == target(account=OTHER)
    said = faults(f'version: 1\nservices:\n  - {{cluster: a, service: b, account: "{OTHER}"}}\n')
    assert said == (
        f"a.yaml:3:30: services[0].account: account {OTHER} is not that of Surefoot's credentials, {ACCOUNT}, and "
        "`accounts` has no role for it"
    )


def test_the_account_of_the_credentials_is_the_default_and_need_not_be_known_to_check_a_file() -> None:
    text = "version: 1\nservices:\n  - {cluster: prod, service: api}\n"
    assert policies(text).all() == (target(),)
    assert of(policies(text)).values["account"].origin == "the account of Surefoot's credentials"
    assert faults(text, own_account=None) == ""


def test_a_name_that_ecs_does_not_allow_is_no_target() -> None:
    with pytest.raises(ValidationError):
        policies("version: 1\n").find("prod", "a/b")


def test_the_same_service_in_two_places_is_a_fault_with_both_lines() -> None:
    said = faults("version: 1\nservices:\n  - {cluster: a, service: b}\n  - {cluster: a, service: b}\n")
    assert said == "a.yaml:4:5: services[1]: a/b is listed twice, first in a.yaml:3"


def test_the_same_service_in_two_files_is_a_fault_with_both_lines() -> None:
    """Field point 7."""
    text = "version: 1\nservices:\n  - {cluster: a, service: b}\n"
    assert faults(text, text) == "b.yaml:3:5: services[0]: a/b is listed twice, first in a.yaml:3"


def test_a_directory_is_one_policy() -> None:
    loaded = policies(
        "version: 1\ndefaults: {recovery: {keep: 4}}\nunlisted: refuse\n",
        f"version: 1\n{ROLE}services:\n  - {{cluster: prod, service: api}}\n",
        "version: 1\nservices:\n  - {cluster: prod, service: worker}\n",
    )
    assert loaded.all() == (target(), target("worker"))
    assert {loaded.of(one).recovery.keep for one in loaded.all()} == {4}
    assert loaded.refuse_unlisted
    assert loaded.accounts.keys() == {OTHER}


@pytest.mark.parametrize("key", ["defaults: {}", "unlisted: refuse", "allow_empty: true"])
def test_only_one_file_of_a_directory_speaks_for_all(key: str) -> None:
    said = faults(f"version: 1\n{key}\n", f"version: 1\n{key}\n")
    assert said.startswith("b.yaml:2:1: ")
    assert "a.yaml:2 says it already" in said


def test_an_account_stands_in_one_file() -> None:
    assert "the account stands twice, first in a.yaml:3" in faults(f"version: 1\n{ROLE}", f"version: 1\n{ROLE}")


def test_all_files_are_told_of_at_once() -> None:
    said = faults("version: 2\n", "version: 1\nx: 1\n", "version: 1\ndefaults:\n")
    assert [line[:6] for line in said.splitlines()] == ["a.yaml", "b.yaml", "c.yaml"]


def test_the_digest_is_what_sha256sum_prints(tmp_path: Path) -> None:
    """So that whoever has the file on the host can compare without Surefoot (field point 4)."""
    (tmp_path / "b.yaml").write_text("version: 1\n")
    (tmp_path / "a.yml").write_text("version: 1\ndefaults: {}\n")
    (tmp_path / ".hidden.yaml").write_text("x")
    one = subprocess.run(["sha256sum", tmp_path / "b.yaml"], capture_output=True, check=True, text=True).stdout
    assert read_path(str(tmp_path / "b.yaml")).files.digest == one.split()[0]
    lines = subprocess.run(["sha256sum", "a.yml", "b.yaml"], capture_output=True, check=True, cwd=tmp_path).stdout
    assert read_path(str(tmp_path)).files.digest == hashlib.sha256(lines).hexdigest()


def test_the_digest_depends_on_names_and_contents_and_not_on_where_the_files_lie() -> None:
    one = Files((File("/x/a.yaml", b"1"), File("/x/b.yaml", b"2")), directory=True)
    assert one.digest == Files((File("/y/b.yaml", b"2"), File("/y/a.yaml", b"1")), directory=True).digest
    assert one.digest != Files((File("/x/a.yaml", b"2"), File("/x/b.yaml", b"1")), directory=True).digest


def test_policies_carry_the_digest_that_they_were_read_from() -> None:
    text = "version: 1\nservices:\n  - {cluster: prod, service: api}\n"
    loaded = policies(text)
    assert of(loaded).policy.digest == loaded.digest == files(text).digest
    assert loaded.of(target("unlisted")).digest == loaded.digest


BASE = "version: 1\ndefaults: {{recovery: {{keep: {keep}}}}}\nservices:\n{services}"


def service(name: str, more: str = "") -> str:
    return f"  - {{cluster: prod, service: {name}{more}}}\n"


@pytest.mark.parametrize(
    ("after", "changed"),
    [
        (BASE.format(keep=5, services=service("a") + service("b")) + "# a comment\n", []),
        (BASE.format(keep=5, services=service("b") + service("a")), []),
        (BASE.format(keep=5, services=service("a", ", recovery: {keep: 5}") + service("b")), []),
        (BASE.format(keep=5, services=service("a", ", recovery: {keep: 6}") + service("b")), ["a"]),
        (BASE.format(keep=5, services=service("a", ", rules: {cpu: off}") + service("b")), ["a"]),
        (BASE.format(keep=5, services=service("a") + service("b") + service("c")), ["c"]),
        (BASE.format(keep=5, services=service("a")), ["b"]),
        (BASE.format(keep=6, services=service("a") + service("b")), ["a", "b"]),
        (BASE.format(keep=6, services=service("a", ", recovery: {keep: 5}") + service("b")), ["b"]),
    ],
)
def test_a_change_is_a_change_of_what_holds(after: str, changed: list[str]) -> None:
    """Field points 10 and 11: of service A alone, and removal as well as addition."""
    before = policies(BASE.format(keep=5, services=service("a") + service("b")))
    assert sorted(one.service for one in policies(after).changed_from(before)) == changed


@pytest.mark.parametrize(
    "key",
    ["rules: {cpu: off}", "recovery: {keep: 3}", "gates: {minimum_health_score: 1}", "application: {url: 'https://x'}"],
)
def test_removing_a_key_is_a_change_as_adding_it_is(key: str) -> None:
    """Field point 11."""
    without, with_ = (policies(BASE.format(keep=5, services=service("a", more))) for more in ("", f", {key}"))
    assert [one.service for one in with_.changed_from(without)] == ["a"]
    assert [one.service for one in without.changed_from(with_)] == ["a"]


def test_a_role_that_is_changed_or_removed_changes_the_services_of_its_account() -> None:
    other = TWO_ACCOUNTS.replace("role/surefoot", "role/another")
    assert {one.service for one in policies(other).changed_from(policies(TWO_ACCOUNTS))} == {"api", "worker"}
    assert {one.account for one in policies(other).changed_from(policies(TWO_ACCOUNTS))} == {OTHER}


def test_services_that_are_not_listed_hear_of_changes_once_somebody_has_asked_for_them() -> None:
    before, after = (
        policies(BASE.format(keep=5, services=service("a"))),
        policies(BASE.format(keep=6, services=service("a"))),
    )
    before.of(target("new"))
    known = before.known()
    assert after.changed_from(before) == {target("a"), target("new")}
    assert before.known() == known
    assert after.known() == {target("a"), target("new")}
    refused = policies("version: 1\nunlisted: refuse\nservices:\n" + service("a"))
    assert target("new") in refused.changed_from(before)


def test_asking_for_ever_new_names_does_not_fill_the_memory() -> None:
    loaded = policies("version: 1\n")
    for number in range(MOST_UNLISTED + 50):
        loaded.of(target(f"s{number}"))
    assert len(loaded.met) == MOST_UNLISTED


def test_two_replicas_that_differ_in_their_environment_differ_in_the_effective_digest() -> None:
    text = "version: 1\nservices:\n  - {cluster: prod, service: api}\n"
    one, same, other = policies(text), policies(text), policies(text, variables={"HEALTH_CHECK_INTERVAL": "45"})
    assert one.digest == other.digest
    assert one.effective_digest == same.effective_digest
    assert one.effective_digest != other.effective_digest


def test_too_many_services_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "version: 1\nservices:\n" + "".join(service(f"s{number}") for number in range(3))
    monkeypatch.setattr("services._policy.load.MOST_SERVICES", 4)
    more = text.replace("service: s", "service: t")
    assert faults(text, more) == "b.yaml:4:5: services: there may be 4 services"


ALL_OFF = """
    version: 1
    unlisted: {unlisted}
    defaults:
      rules:
        service_unavailable: off
        error_rate: off
        response_time: {{severity: warning}}
        database_connections: off
    services:
      - {{cluster: prod, service: api, rules: {{error_rate: {{threshold: 20}}}}}}
    """


def test_defaults_without_a_critical_rule_are_refused_where_a_service_may_have_nothing_else() -> None:
    assert "a.yaml:6:5: defaults.rules: no critical rule is left" in faults(ALL_OFF.format(unlisted="defaults"))
    loaded = policies(ALL_OFF.format(unlisted="refuse"))
    assert [rule.name for rule in of(loaded).policy.rules if rule.severity == "critical"] == ["error_rate"]
