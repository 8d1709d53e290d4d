"""Validator: the commands that ask whether a change can be applied, and whether the service works afterwards."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal

from contracts.base import Event, RunId
from contracts.deployment import Change
from contracts.policy import PreflightPolicy, ValidationPolicy

Suite = Literal["smoke", "api"]


class RunPreflight(Event):
    """Does what is asked for exist, can Fargate run it, and exactly which digest is it?"""

    overridable: ClassVar[Mapping[str, str]] = {
        "image_exists": "every image is in its registry",
        "architecture": "every image is built for the platform on which its tasks run",
        "task_definition_active": "the task definition was not deregistered",
        "run_preflight": "the change could be looked up at AWS",
    }
    indispensable: ClassVar[Mapping[str, str]] = {
        "target_exists": "ECS knows the service",
        "reference_valid": "the image's reference is well formed",
        "image_unambiguous": "it is known which container's image changes",
        "digest_resolved": "the image is known by its digest",
        "task_definition_exists": "ECS knows the task definition",
        "change_resolved": "it is known exactly what to apply",
        "run_preflight_answered": "the validator answered in time",
    }

    run_id: RunId
    change: Change
    policy: PreflightPolicy | None = None


class ValidateDeployment(Event):
    """Test the live service over HTTP, through its load balancer."""

    run_id: RunId
    suites: tuple[Suite, ...] = ("smoke", "api")
    deadline: datetime
    policy: ValidationPolicy | None = None
