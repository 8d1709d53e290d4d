"""What the optimizer needs of the outside. Where AWS does not answer, ``AwsError`` says so in a sentence."""

from typing import Protocol

from contracts.base import Target
from services.optimizer.domain.analysis import Deployed
from services.optimizer.domain.size import Usage


class NotSizable(Exception):
    """There is no such service, it is being deleted, or it has no Fargate size; its text is a sentence."""


class EcsServices(Protocol):
    async def deployed(self, target: Target, since: float) -> Deployed:
        """Return what runs. ``since`` (epoch seconds): a change of size before it does not matter.

        Raise ``NotSizable`` or ``AwsError``.
        """
        ...


class Metrics(Protocol):
    async def usage(self, target: Target, start: float, end: float, period: int) -> Usage:
        """Read utilisation over ``[start, end)``: epoch seconds; period in seconds. Raise ``AwsError``."""
        ...
