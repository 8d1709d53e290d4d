"""The one shape of seven services: no file outside it, and no empty one inside."""

from pathlib import Path

import pytest

from contracts.topics import SERVICES

ROOT = Path(__file__).parents[2]
SHAPE = {
    "__init__.py",
    "__main__.py",
    "settings.py",
    "app.py",
    "handlers.py",  # bus and timers in; where it is much, a file for each area
    "handlers",
    "api.py",  # HTTP in; where it is much, a file for each area
    "api",
    "prepare.py",
    "bodies.py",
    "ports.py",  # what it needs of the outside; where it is much, a file for each area
    "ports",
    "decisions.py",  # what bus, timers, jobs and API decide alike; where it is much, a file for each verb
    "decisions",
    "jobs",
    "run_tests.py",  # use cases, which jobs and API share
    "examine.py",
    "recreate.py",
    "observe.py",
    "inspect.py",
    "assess.py",
    "trace.py",
    "take_turns.py",
    "adapters",
    "domain",
}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_one_shape(service: str) -> None:
    there = {path.name for path in (ROOT / "services" / service).iterdir() if path.name != "__pycache__"}
    assert there <= SHAPE, f"outside the shape: {there - SHAPE}"
    assert {"__init__.py", "__main__.py", "settings.py", "app.py", "domain"} <= there
    assert there & {"api.py", "api"}


@pytest.mark.parametrize("service", SERVICES)
def test_what_takes_longer_than_a_moment_is_a_job_in_a_file_of_its_own(service: str) -> None:
    folder = ROOT / "services" / service
    if "jobs={" in (folder / "app.py").read_text():
        assert (folder / "jobs").is_dir(), "it has jobs, and no jobs/"
    beside = [path.name for path in folder.glob("*.py") if ": Running" in path.read_text()]
    assert beside == [], "who takes a Running belongs into jobs/"


def test_no_file_is_empty() -> None:
    sources = [
        path for folder in ("contracts", "services", "sandbox", "surefoot") for path in (ROOT / folder).rglob("*.py")
    ]
    assert [str(path.relative_to(ROOT)) for path in sources if not path.read_text().strip()] == []


def test_who_reads_one_service_finds_the_same_in_the_others() -> None:
    for service in SERVICES:
        assert "def create_app(" in (ROOT / "services" / service / "app.py").read_text()
        assert "class Settings(" in (ROOT / "services" / service / "settings.py").read_text()
