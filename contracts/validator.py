"""Validator: the commands that ask whether a change can be applied, and whether the service works afterwards."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from contracts.base import Contract, Event, RunId, Time
from contracts.deployment import Change
from contracts.policy_parts import PreflightPolicy, ValidationPolicy
from contracts.prose import Prose

Suite = Literal["smoke", "api"]
TestState = Literal["passed", "refused", "failed", "unreachable", "elsewhere", "not_run"]
"""What became of a test: it was answered as it should be; with another status below 500; with a status from 500 on, or
not at all; there was no connection; somebody else answers or would answer it; there was no time for it."""


class TestBefore(Contract):
    """A test of the version before the change."""

    __test__ = False  # pytest takes classes of this name for tests

    suite: Suite
    name: str
    path: str
    state: TestState


class Baseline(Contract):
    """What the tests saw of the version before the change: what fails before and after is no fault of the change."""

    tests: tuple[TestBefore, ...]
    p95_seconds: float | None = None
    """The 95th percentile of the seconds of all answers; None where nothing answered."""
    summary: Prose = ""
    """One sentence for a person: how many tests pass, and why others do not."""
    requests: int = 0
    """Requests that say anything of the version; 0 in what the previous version wrote."""
    failures: int = 0
    """Those of them that were not answered as they should be."""


class RunPreflight(Event):
    """Does what is asked for exist, can Fargate run it, and exactly which digest is it?"""

    overridable: ClassVar[Mapping[str, str]] = {
        "image_exists": "every image is in its registry",
        "architecture": "every image is built for the platform on which its tasks run",
        "task_definition_active": "the task definition was not deregistered",
        "fits_service": "the task definition fits the service's load balancing, network and launch type",
        "room_to_deploy": "the service's percentages leave ECS room to start or to stop a task",
        "way_back": "what a rollback would need is there",
        "run_preflight": "the change could be looked up at AWS",
    }
    indispensable: ClassVar[Mapping[str, str]] = {
        "target_exists": "ECS knows the service",
        "reference_valid": "the image's reference is well formed",
        "image_unambiguous": "it is known which container's image changes",
        "digest_resolved": "the image is known by its digest",
        "change_permitted": "repositories, family and roles are the live version's, or the policy's change names them",
        "task_definition_exists": "ECS knows the task definition",
        "change_resolved": "it is known exactly what to apply",
        "not_held": "no hold stands on it after a rollback; `surefoot release` ends a hold",
        "run_preflight_answered": "the validator answered in time",
    }

    run_id: RunId
    change: Change
    policy: PreflightPolicy | None = None
    baseline: ValidationPolicy | None = None
    """The tests to run on the version before the change, whose results decide nothing by themselves; None: none."""


class ValidateDeployment(Event):
    """Test the live service over HTTP, through its load balancer."""

    run_id: RunId
    suites: tuple[Suite, ...] = ("smoke", "api")
    deadline: Time
    policy: ValidationPolicy | None = None
    baseline: Baseline | None = None
    """What the same tests saw before the change; None: nobody looked, and each test counts as it is."""
