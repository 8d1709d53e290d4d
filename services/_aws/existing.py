"""Finds a service for an HTTP request, or answers which services there are: a name may be misspelt."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from contracts.base import Target
from contracts.suggest import did_you_mean
from services._aws.ecs import find_service
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, Missing, reading
from services._chassis.aws import Aws
from services._chassis.http import Problem

Existing = Callable[[Target], Awaitable[EcsService]]
"""The function ``existing`` with its first argument bound."""
LOOK_SECONDS = 30.0
"""Real seconds that a look at a service may take for one request."""
MOST_NAMES = 10
"""How many names a sentence lists."""


async def existing(aws: Aws, target: Target) -> EcsService:
    """Return the service. Raise ``AwsError``, or ``Problem`` (404) with the names that exist."""
    found = await find_service(aws, target)
    if isinstance(found, Missing):
        raise Problem(404, "No such service", await _instead(aws, target, found))
    return found


class Look(Protocol):
    """What was seen of a service; its ``service`` is None where ECS knows no such service."""

    @property
    def service(self) -> object: ...


Seen = TypeVar("Seen", bound=Look)


async def looked_at(look: Awaitable[Seen], existing: Existing, target: Target) -> Seen:
    """Return what a look saw. Raise ``Problem``: 504 where it takes too long, 404 where the service is not there."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            seen = await look
    except TimeoutError:
        raise Problem(504, "No answer in time", f"{target} could not be looked at in time.") from None
    if seen.service is None:
        await existing(target)
        raise Problem(404, "No such service", f"ECS knows no active service {target}.")
    return seen


async def _instead(aws: Aws, target: Target, missing: Missing) -> str:
    """Return a sentence that says which name is wrong and which exist; without AWS's list, only what is missing."""
    try:
        clusters = await _names(aws, target, "list_clusters", "clusterArns")
        if target.cluster not in clusters:
            where = f"{target.account}/{target.region}"
            return f"There is no cluster {target.cluster} in {where}{_others(target.cluster, clusters)}"
        services = await _names(aws, target, "list_services", "serviceArns", cluster=target.cluster)
    except AwsError:
        return f"{missing.why[:1].upper()}{missing.why[1:]}."
    there = [name for name in services if name != target.service]  # a service that was deleted may still be listed
    return f"There is no service {target.service} in cluster {target.cluster}{_others(target.service, there)}"


async def _names(aws: Aws, target: Target, operation: str, key: str, **where: str) -> list[str]:
    """Return all names, in alphabetical order."""
    with reading("ECS", operation.title().replace("_", "")):
        arns = await aws.at(target).pages("ecs", operation, key, **where)
    return sorted(str(arn).rpartition("/")[2] for arn in arns)


def _others(name: str, known: list[str]) -> str:
    if not known:
        return "; there is none."
    shown = ", ".join(known[:MOST_NAMES]) + (f" and {len(known) - MOST_NAMES} more" if len(known) > MOST_NAMES else "")
    there = f"there {'is' if len(known) == 1 else 'are'} {shown}."
    meant = did_you_mean(name, known)
    return f"{meant} T{there[1:]}" if meant else f"; {there}"
