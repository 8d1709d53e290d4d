"""Validator: the commands that ask whether a change can be applied, and whether the service works afterwards."""

from datetime import datetime
from typing import Literal

from contracts.base import Event, RunId
from contracts.deployment import Change
from contracts.policy import PreflightPolicy, ValidationPolicy

Suite = Literal["smoke", "api"]


class RunPreflight(Event):
    """Does what is asked for exist, can Fargate run it, and exactly which digest is it?"""

    run_id: RunId
    change: Change
    policy: PreflightPolicy | None = None


class ValidateDeployment(Event):
    """Test the live service over HTTP, through its load balancer."""

    run_id: RunId
    suites: tuple[Suite, ...] = ("smoke", "api")
    deadline: datetime
    policy: ValidationPolicy | None = None
