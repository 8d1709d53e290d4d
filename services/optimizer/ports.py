"""What the optimizer needs from outside. When AWS does not answer, the methods raise ``AwsError`` with a sentence."""

from typing import Protocol

from contracts.base import Target
from services.optimizer.domain.analysis import Deployed
from services.optimizer.domain.size import Usage


class NotSizable(Exception):
    """There is no such service, it is being deleted, or it has no Fargate size; its text is a sentence."""


class EcsServices(Protocol):
    async def deployed(self, target: Target, since: float) -> Deployed:
        """Return what runs. A change of its size before ``since`` (epoch seconds) does not matter.

        Raise ``NotSizable`` or ``AwsError``.
        """
        ...


class Metrics(Protocol):
    async def usage(self, target: Target, start: float, end: float, period: int) -> Usage:
        """Read utilisation over ``[start, end)``: epoch seconds; period in seconds. Raise ``AwsError``."""
        ...
