"""YAML as policies are read: by YAML 1.2, without surprises, and with a place for everything."""

import re
import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from services._policy import parse as module
from services._policy.faults import Place
from services._policy.parse import MOST_BYTES, MOST_DEPTH, MOST_NODES, parse
from services._policy.scalars import plain_value
from tests.policy.loading import faults, policies, target


def plain(text: str) -> Any:
    root, wrong = parse(text.encode(), "p.yaml")
    assert wrong == []
    assert root is not None
    return root.plain


def problems(text: str | bytes) -> list[str]:
    return [str(fault) for fault in parse(text if isinstance(text, bytes) else text.encode(), "p.yaml")[1]]


@pytest.mark.parametrize("text", ["no", "No", "NO", "yes", "on", "off", "y", "n", "12:30", "1:20:30", "2026-11-27"])
def test_what_only_yaml_1_1_takes_for_something_else_is_text(text: str) -> None:
    """Field point 16. PyYAML's own constructors, which are not used, read these otherwise."""
    assert plain(f"a: {text}") == {"a": text}
    assert plain(f'a: "{text}"') == {"a": text}


@pytest.mark.parametrize(
    "text", ["True", "TRUE", "False", "FALSE", "010", "0o17", "0x1F", "0b11", ".inf", "-.INF", ".nan"]
)
def test_what_versions_of_yaml_read_differently_is_refused_without_quotes(text: str) -> None:
    assert problems(f"a: {text}")[0].startswith("p.yaml:1:4: a: ")
    assert "quotes" in problems(f"a: {text}")[0]
    assert plain(f'a: "{text}"') == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("false", False), ("0", 0), ("-3", -3), ("+3", 3), ("1.5", 1.5), ("1e3", 1000), (".5", 0.5)],
)
def test_true_false_and_decimal_numbers_are_what_they_look_like(text: str, value: object) -> None:
    assert plain(f"a: {text}") == {"a": value}
    assert type(plain(f"a: {text}")["a"]) is type(value)


def test_an_account_id_with_a_leading_zero_is_refused_with_what_yaml_made_of_it() -> None:
    """Field point 15: octal if its digits allow, else the zero is lost."""
    said = faults("version: 1\ndefaults:\n  account: 012345671234\n")
    assert "a.yaml:3:12: defaults.account" in said
    assert "12345671234 to YAML 1.2" in said
    assert "octal number 1402434204" in said
    assert str(yaml.safe_load("012345671234")) == "1402434204"
    assert "98765432109 to YAML 1.2" in faults("version: 1\ndefaults:\n  account: 098765432109\n")
    assert faults("version: 1\ndefaults:\n  account: 123456789012\n").endswith("put it in quotes")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("version: 1\naccounts:\n  123456789012: {role: x}\n", "a.yaml:3:3: accounts.123456789012"),
        ("version: 1\nservices:\n  - {cluster: a, service: b, account: 123456789012}\n", "a.yaml:3:30"),
        ("version: 1\nservices:\n  - cluster: 1.10\n    service: b\n", "a.yaml:3:5: services[0].cluster"),
        ("version: 1\nservices:\n  - cluster: a\n    service: true\n", "a.yaml:4:5: services[0].service"),
    ],
)
def test_text_is_never_taken_from_numbers_and_booleans(text: str, line: str) -> None:
    """Field points 15 and 16."""
    assert line in faults(text)
    assert "quotes" in faults(text)


def test_names_that_yaml_1_1_takes_for_booleans_are_names() -> None:
    loaded = policies("version: 1\nservices:\n  - {cluster: no, service: on}\n  - {cluster: y, service: yes}\n")
    assert [(one.cluster, one.service) for one in loaded.all()] == [("no", "on"), ("y", "yes")]


@pytest.mark.parametrize("value", ["", "~", "null", "Null", "NULL"])
def test_a_blank_value_is_a_fault_with_its_line(value: str) -> None:
    """Field point 3: it means neither "default" nor "off"."""
    said = problems(f"version: 1\ndefaults:\n  recovery:\n    keep: {value}\n")
    assert len(said) == 1
    assert said[0].startswith("p.yaml:4:")
    assert "nothing stands behind it" in said[0]


def test_a_key_that_stands_twice_is_refused_with_both_lines() -> None:
    """Field point 17."""
    said = problems("version: 1\ndefaults:\n  rules:\n    cpu: off\n    memory: off\n    cpu: {threshold: 9}\n")
    assert said == ["p.yaml:6:5: defaults.rules.cpu: the key stands twice, first in line 4"]


def test_equal_keys_in_different_maps_are_no_fault() -> None:
    assert plain("a: {x: 1}\nb: {x: 2}\n") == {"a": {"x": 1}, "b": {"x": 2}}


def test_aliases_and_merge_keys_are_refused_and_never_expanded() -> None:
    """Field points 17 and 18, with the shape that takes exponential time when it is expanded."""
    assert problems("a: &x {b: 1}\nc: *x\n<<: *x\n")[:2] == [
        "p.yaml:1:4: a: anchors are not read; what services have in common goes to `defaults`",
        "p.yaml:2:4: c: aliases are not read; write what *x stands for",
    ]
    lists = "\n".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 60))
    began = time.monotonic()
    assert problems(f"a0: &a0 {{x: 1}}\n{lists}\n")
    assert time.monotonic() - began < 5


def test_a_dollar_comes_out_as_it_went_in() -> None:
    """Field point 19."""
    text = "$2y$10$abc ${HOME} $HOME $$ %(x)s"
    assert plain(f"a: '{text}'") == {"a": text}
    path = "/x?a=$2y$10$abc&b=${HOME}"
    loaded = policies(f"version: 1\ndefaults: {{application: {{health_path: '{path}'}}}}\n")
    assert loaded.of(target()).application.health_path == path


def test_tags_are_refused_so_that_nothing_is_constructed() -> None:
    assert "tags are not read" in problems("a: !!python/object/apply:os.system ['true']")[0]


def test_a_file_has_bounds() -> None:
    """Field point 18: bytes, depth, parts."""
    assert f"{MOST_BYTES} are allowed" in problems(b"a: " + b"x" * MOST_BYTES)[0]
    assert problems("a: " + "[" * MOST_DEPTH + "]" * MOST_DEPTH) == [
        f"p.yaml:1:{3 + MOST_DEPTH}: this is nested more than {MOST_DEPTH} deep"
    ]
    assert "parts" in problems("a: [" + "1," * (MOST_NODES + 10) + "]")[0]
    assert "too long for a number" in problems("a: " + "1" * 5000)[0]
    assert "too long for a number" in problems("a: 0" + "1" * 5000)[0]
    assert "too large" in problems("a: 1e999")[0]


def test_a_thousand_levels_of_brackets_do_not_exhaust_the_stack() -> None:
    assert problems("[" * 100_000)
    assert problems("{a: " * 100_000)


def test_all_faults_are_told_at_once() -> None:
    said = faults(
        """\
        version: 1
        defaults:
          account: 012345671234
          recovery: {keep: , enabled: yes}
          rules: {cpu: {treshold: 5}, eror_rate: {threshold: 3}}
        services:
          - {cluster: a, service: b}
          - {cluster: a, service: b}
        """
    ).splitlines()
    assert [line.split(": ")[0] for line in said] == [
        f"a.yaml:{place}" for place in ("3:12", "4:14", "4:22", "5:17", "5:43", "8:5")
    ]


def test_both_parsers_of_pyyaml_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one in C is not in every build of PyYAML."""
    text = "# x\nversion: 1\ndefaults:\n  a: [1, 'two', \"three\"]\n  b: {c: no, d: 1.50}\n  e: |\n    text\n"
    in_c = parse(text.encode(), "p.yaml")
    monkeypatch.setattr(module, "_LOADER", yaml.SafeLoader)
    assert parse(text.encode(), "p.yaml") == in_c


def test_places_are_those_of_the_file() -> None:
    root, _ = parse(b"version: 1\ndefaults:\n  account: 'x'\n", "p.yaml")
    assert root is not None
    assert isinstance(root.value, dict)
    defaults = root.value["defaults"]
    assert isinstance(defaults.node.value, dict)
    assert defaults.node.value["account"].place == Place("p.yaml", 3, 3)


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=30))
def test_any_text_in_quotes_is_itself(text: str) -> None:
    quoted = text.replace("'", "''")
    assert (
        plain(f"a: '{quoted}'")["a"].replace("\u2028", " ").replace("\u2029", " ").split()
        == text.replace("\u2028", " ").replace("\u2029", " ").split()
    )


@given(st.text(alphabet="0123456789+-.eExXobtTrRuUeE:_ ", max_size=12))
def test_a_plain_scalar_is_text_or_one_value_or_a_fault(text: str) -> None:
    value, problem = plain_value(text)
    assert (value is None) == bool(problem)


FRAGMENTS = """version: 1|  |defaults:|services:|- |{|}|[|]|&a |*a|<<: |cpu: off|rules: |account: |012345671234|'|"|true
null|~|: |,|#|>|!!str |%YAML 1.1|---|cluster: a|service: b|threshold: |1e999|é|?|accounts: |role: x""".replace(
    "\n", "|"
)
PARTS = [*FRAGMENTS.split("|"), "\n", "\n  ", "\x00", "\ufeff", "\t", "|"]


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=400),
        st.lists(st.sampled_from(PARTS), max_size=40).map(lambda parts: "".join(parts).encode()),
    )
)
def test_whatever_is_in_a_file_only_faults_come_of_it(content: bytes) -> None:
    """Field point 2: a bad file is the same on all replicas, so that it must end none of them."""
    said = faults(content)
    assert all(re.match(r"a\.yaml:\d+:\d+: .+", line) for line in said.splitlines())


JSON_LIKE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["off", "defaults"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["version", "defaults", "services", "accounts", "rules", "cpu", "mine", "tests", "smoke", "name"]
            )
            | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(["version", "defaults", "services", "accounts", "unlisted"]), JSON_LIKE))
def test_whatever_structure_a_file_has_only_faults_come_of_it(structure: dict[str, Any]) -> None:
    content = yaml.safe_dump(structure, allow_unicode=True, width=1000).encode("utf-8", "surrogatepass")
    assert isinstance(faults(content), str)
