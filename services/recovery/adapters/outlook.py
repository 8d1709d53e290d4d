"""What may take a way back away before it is needed: lifecycle policies of ECR, and the quota of Fargate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from contracts.image_reference import Reference
from services._aws.body import epoch
from services._aws.cloudwatch import Metric, read_series
from services._aws.errors import AwsError, answer_within, reading
from services._aws.images import registry_of
from services._aws.needs import WAIT_SECONDS
from services._aws.task_definition import EcsTaskDefinition
from services._chassis.aws import Aws
from services._chassis.clock import Clock
from services.recovery.domain.fargate_room import Vcpus
from services.recovery.domain.image_expiry import Deletion, RepositoryImage, rule_for, rules_of, when_deleted
from services.recovery.domain.snapshots.snapshot import Snapshot

QUOTAS = {False: "L-3032A538", True: "L-36FBB829"}
"""Whether tasks run on Spot → the quota's code: Fargate On-Demand and Spot vCPU resource count (Service Quotas)."""
NO_POLICY = frozenset({"LifecyclePolicyNotFoundException", "RepositoryNotFoundException", "ImageNotFoundException"})
"""Error codes after which no policy deletes the image; whether it is there at all is asked elsewhere."""
LOOK_BACK = 30 * 60.0
"""Seconds of which the usage is read: it is published every few minutes."""


@dataclass(frozen=True, slots=True)
class AwsOutlook:
    aws: Aws
    clock: Clock

    async def expiring(self, target: Target, snapshot: Snapshot) -> tuple[Deletion, ...]:
        definition = EcsTaskDefinition(snapshot.task_definition)
        warnings = list[Deletion]()
        for container, image in definition.images.items():
            try:
                reference = Reference.parse(image)
            except ValueError:
                continue  # that it cannot be read is told by what the version needs
            digest = snapshot.digests.get(container)
            named = reference.pinned(digest) if digest else reference
            if named.ecr is None:
                continue
            found = await answer_within(WAIT_SECONDS, self._expiry(target, named))
            if isinstance(found, AwsError):
                unknown = f"whether a lifecycle policy deletes the image {named} is not known ({found})"
                warnings.append(Deletion(unknown))
            elif found:
                warnings.append(Deletion(f"the image {named}: {found.clause}", found.soon))
        return tuple(warnings)

    async def _expiry(self, target: Target, reference: Reference) -> Deletion | None:
        """Return when the image is deleted; None where no rule does it."""
        try:
            text = str((await self._ecr(target, reference, "get_lifecycle_policy"))["lifecyclePolicyText"])
            named = {"imageDigest": reference.digest} if reference.digest else {"imageTag": reference.tag or "latest"}
            [detail] = (await self._ecr(target, reference, "describe_images", imageIds=[named]))["imageDetails"]
        except AwsError as error:
            if error.code in NO_POLICY:
                return None
            raise
        try:
            rules = rules_of(text)
        except ValueError as error:
            raise AwsError(str(error), code="Unreadable", temporary=False) from error
        image, rule = _image(detail), rule_for(_image(detail), rules)
        counts = rule is not None and rule.count_type == "imageCountMoreThan"
        others = await self._others(target, reference) if counts else None
        return when_deleted(image, rules, others, self.clock.now())

    async def _others(self, target: Target, reference: Reference) -> list[RepositoryImage] | None:
        where, account = registry_of(self.aws, target, reference)
        try:
            with reading("ECR", "DescribeImages"):
                details = await where.pages(
                    "ecr",
                    "describe_images",
                    "imageDetails",
                    registryId=account,
                    repositoryName=reference.repository,
                )
        except AwsError:
            return None
        return [_image(detail) for detail in details]

    async def _ecr(self, target: Target, reference: Reference, operation: str, **more: Any) -> dict[str, Any]:
        where, account = registry_of(self.aws, target, reference)
        with reading("ECR", operation.title().replace("_", "")):
            return await where.call("ecr", operation, registryId=account, repositoryName=reference.repository, **more)

    async def vcpus(self, target: Target, *, spot: bool) -> Vcpus:
        found = await answer_within(WAIT_SECONDS, self._vcpus(target, spot=spot))
        return Vcpus(why=str(found).rstrip(".")) if isinstance(found, AwsError) else found

    async def _vcpus(self, target: Target, *, spot: bool) -> Vcpus:
        """Return the quota, and the usage by the metric that Service Quotas itself names for it."""
        with reading("Service Quotas", "GetServiceQuota"):
            answer = await self.aws.at(target).call(
                "service-quotas", "get_service_quota", ServiceCode="fargate", QuotaCode=QUOTAS[spot]
            )
        quota: dict[str, Any] = answer.get("Quota") or {}
        limit, usage = quota.get("Value"), quota.get("UsageMetric") or {}
        if limit is None or not usage.get("MetricName"):
            return Vcpus(limit, why="Service Quotas names no metric of its usage")
        dimensions: dict[str, str] = usage.get("MetricDimensions") or {}
        stat = str(usage.get("MetricStatisticRecommendation") or "Maximum")
        metric = Metric("used", str(usage["MetricNamespace"]), str(usage["MetricName"]), stat, dimensions)
        now = self.clock.now()
        series = (await read_series(self.aws, target, [metric], now - LOOK_BACK, now, 300))["used"]
        if not series:
            return Vcpus(float(limit), why="CloudWatch has no point of its usage")
        return Vcpus(float(limit), series[max(series)])


def _image(detail: dict[str, Any]) -> RepositoryImage:
    tags: Sequence[str] = detail.get("imageTags") or ()
    return RepositoryImage(str(detail.get("imageDigest", "")), tuple(tags), epoch(detail.get("imagePushedAt")))
