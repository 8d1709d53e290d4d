"""Whether an image can be pulled: it is there, it is not, or nobody can see that from here."""

from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from contracts.image_reference import EcrRegistry, Reference
from services._aws.errors import AwsError, Missing, reading
from services._aws.images import images_named, registry_of
from services._chassis.aws import Aws

_CLOSED = frozenset({"AccessDeniedException", "AccessDenied"})
_MISSING = frozenset({"ImageNotFound", "InvalidImageTag", "InvalidImageDigest"})


@dataclass(frozen=True, slots=True)
class Unseen:
    """ECS may well be able to pull the image; it cannot be looked up from here."""

    why: str
    """One sentence that names it."""


async def find_image(aws: Aws, target: Target, reference: Reference) -> dict[str, Any] | Missing | Unseen:
    """Return the image as BatchGetImage describes it, in whichever account and region of ECR it is.

    Raise ``AwsError`` where ECR does not say whether it is there.
    """
    registry = reference.ecr
    if registry is None:
        return Unseen(f"{reference} is not in a private registry of ECR, and cannot be looked up from here")
    try:
        answer = await images_named(aws, target, reference)
    except AwsError as error:
        return await _not_found(aws, target, reference, registry, error)
    if answer.get("images"):
        return dict(answer["images"][0])
    codes = {str(failure.get("failureCode")) for failure in answer.get("failures", [])}
    if codes and codes <= _MISSING:
        return await _unless_cached(aws, target, reference, f"there is no image {reference}")
    why = ", ".join(sorted(codes)) or "an empty answer"
    raise AwsError(f"ECR could not look up {reference}: {why}", code="Unanswered", temporary=True)


async def _not_found(
    aws: Aws, target: Target, reference: Reference, registry: EcrRegistry, error: AwsError
) -> Missing | Unseen:
    if error.code in _CLOSED:
        return Unseen(f"{reference} cannot be looked up, since account {registry.account} does not let us: {error}")
    if error.code != "RepositoryNotFoundException":
        raise error
    return await _unless_cached(aws, target, reference, f"there is no repository {reference.name}")


async def _unless_cached(aws: Aws, target: Target, reference: Reference, absent: str) -> Missing | Unseen:
    """Return ``Missing``, unless the first pull would fill it through a cache: then nobody knows yet.

    Source: Amazon ECR user guide, "Sync an upstream registry" (the prefix ``ROOT`` matches every repository).
    """
    try:
        with reading("ECR", "DescribePullThroughCacheRules"):
            where, account = registry_of(aws, target, reference)
            rules = await where.pages(
                "ecr", "describe_pull_through_cache_rules", "pullThroughCacheRules", registryId=account
            )
    except AwsError as error:
        why = f"{reference} is not in ECR, and whether a pull-through cache has it is not known: {error}"
        raise AwsError(why, code=error.code, temporary=error.temporary) from None
    prefixes = {str(rule.get("ecrRepositoryPrefix", "")) for rule in rules}
    for prefix in sorted(prefixes - {""}):
        if prefix == "ROOT" or reference.repository.startswith(f"{prefix}/"):
            return Unseen(f"{reference} is not known yet: the pull-through cache {prefix} is filled by a first pull")
    return Missing(absent)
