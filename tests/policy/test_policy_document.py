"""docs/policy.md: its example is a policy with every key, and what it says of variables and digests is so."""

import os
import re
import subprocess
from pathlib import Path

from contracts.policy import MOST_SERVICES
from contracts.policy_file import PolicyFile
from contracts.policy_rules import RuleMetric
from services._policy.environment import RETRIES, SETTINGS, URL, URLS, Environment
from services._policy.load import load
from services._policy.merge import BUILT_IN, flat, tree_of
from services._policy.parse import MOST_BYTES, parse
from services._policy.read import read_path
from tests.policy.loading import ACCOUNT, OTHER, policies, target

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "policy.md").read_text()
EXAMPLE = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[0]


def test_the_example_is_a_policy() -> None:
    loaded = policies(EXAMPLE)
    assert loaded.of(loaded.find("prod", "batch")).monitoring.database is None
    assert loaded.of(target("payments")).tests.required_pass_percent == 100
    assert loaded.access(OTHER) is not None


def test_the_example_has_every_key() -> None:
    root, _ = parse(EXAMPLE.encode(), "example")
    assert root is not None
    assert isinstance(root.value, dict)
    there = {path for path, _ in flat(tree_of(root.value["defaults"].node))}
    sections = {path for path, _ in flat(BUILT_IN) if not path.startswith("rules.")}
    assert sections <= there
    assert {*PolicyFile.model_fields} - {"allow_empty"} == root.value.keys()
    assert "allow_empty" in TEXT


def test_every_variable_is_told() -> None:
    names = {setting.name.upper() for setting in SETTINGS} | {RETRIES.upper(), URL.upper(), URLS.upper()}
    assert {name for name in names if f"`{name}`" not in TEXT} == set()


def test_rules_metrics_and_bounds_are_told() -> None:
    assert {metric for metric in RuleMetric if f"`{metric}`" not in TEXT} == set()
    assert {path.split(".")[1] for path, _ in flat(BUILT_IN) if path.startswith("rules.")} <= set(
        re.findall(r"`(\w+)`", TEXT)
    )
    assert f"{MOST_SERVICES:,} services" in TEXT
    assert MOST_BYTES == 1_000_000


def test_the_digest_of_a_directory_is_what_the_document_says(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "C.yaml"):
        (tmp_path / name).write_text(f"version: 1 # {name}\n")
    (command,) = re.findall(r"`LC_ALL=C; (sha256sum [^`]*)`", TEXT)
    said = subprocess.run(
        command, shell=True, cwd=tmp_path, env={**os.environ, "LC_ALL": "C"}, capture_output=True, check=True
    )
    assert said.stdout.decode().split()[0] == read_path(str(tmp_path)).files.digest


def test_the_policy_that_comes_with_compose_is_a_policy() -> None:
    files = read_path(str(ROOT / "deploy" / "policy")).files
    assert load(files, Environment(), ACCOUNT).all()
