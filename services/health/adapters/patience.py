"""Questions whose answer may be that nobody could be asked."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from services.health.domain.observed import Service, TargetHealth, Unasked
from services.health.ports import LoadBalancers, Unavailable

T = TypeVar("T")

PATIENCE_SECONDS = 20.0
"""Real seconds for one question; what takes longer is unknown."""


async def asked(question: Awaitable[T]) -> T | Unasked:
    """Return the answer, or why there is none."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await question
    except Unavailable as error:
        return Unasked(str(error))
    except TimeoutError:
        return Unasked(f"no answer within {PATIENCE_SECONDS:g} s")


async def targets_of(service: Service, balancers: LoadBalancers) -> tuple[TargetHealth, ...] | Unasked | None:
    """Return the targets of all target groups of a service; None when it has no load balancer."""
    if not service.target_groups:
        return None
    groups = await asyncio.gather(*(asked(balancers.targets(group)) for group in service.target_groups))
    unseen = next((group for group in groups if isinstance(group, Unasked)), None)
    return unseen or tuple(one for group in groups if not isinstance(group, Unasked) for one in group)
