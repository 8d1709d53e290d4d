"""Reads what a deployment of a service depends on: the version to go back to, and whether what it needs is there."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from contracts.image_reference import Reference
from contracts.rollout_pace import RolloutPace
from services._aws.ecs import find_service, find_task_definition
from services._aws.errors import AwsError, Missing
from services._aws.measure_pace import measure_pace
from services._aws.needs import Need as Found
from services._aws.needs import needs_of, target_types
from services._aws.versions import Version, last_completed_version
from services._chassis.aws import Aws
from services.validator.domain.facts import Absent, Outside, Unknown
from services.validator.domain.way_back import Need, WayBack
from services.validator.ports import Images

PACE_SECONDS = 20.0
"""Real seconds for each read of the pace; nothing waits for a preflight that takes as long."""


@dataclass(frozen=True, slots=True)
class AwsRollouts:
    aws: Aws
    images: Images

    async def way_back(self, target: Target) -> WayBack | Absent | Unknown:
        try:
            service = await find_service(self.aws, target)
            if isinstance(service, Missing):
                return Absent(service.why)
            version = await last_completed_version(self.aws, target, service)
            if isinstance(version, Missing):
                return Absent(version.why)
            definition = await find_task_definition(self.aws, target, version.task_definition)
        except AwsError as error:
            return Unknown(str(error))
        name = version.task_definition.rpartition("/")[2]
        if isinstance(definition, Missing):
            return WayBack(name, (Need(False, definition.why),))
        images = (self._image(target, container, image, version) for container, image in definition.images.items())
        needs = needs_of(self.aws, target, version.service, definition)
        of_images, others = await asyncio.gather(asyncio.gather(*images), needs)
        return WayBack(name, (*of_images, *map(_need, others)))

    async def pace(self, target: Target, task_definition: str | None) -> RolloutPace | None:
        try:
            service = await find_service(self.aws, target)
        except AwsError:
            return None
        if isinstance(service, Missing):
            return None
        definition = await self._definition(target, task_definition or service.task_definition)
        return await measure_pace(self.aws, target, service, definition, PACE_SECONDS)

    async def _definition(self, target: Target, name: str | None) -> Mapping[str, Any]:
        """Return a task definition; where it cannot be read, an empty one, for which ECS's defaults stand."""
        if name is None:
            return {}
        try:
            definition = await find_task_definition(self.aws, target, name)
        except AwsError:
            return {}
        return {} if isinstance(definition, Missing) else definition.body

    async def target_types(self, target: Target, groups: tuple[str, ...]) -> dict[str, str]:
        return await target_types(self.aws, target, groups)

    async def _image(self, target: Target, container: str, image: str, version: Version) -> Need:
        """Look the image up by the digest that ran, which is what a rollback runs; where none is known, by its tag."""
        try:
            reference = Reference.parse(image)
        except ValueError as error:
            return Need(None, str(error))
        digest = version.digests.get(container)
        if digest is not None:
            reference = reference.pinned(digest)
        match await self.images.digest(target, reference):
            case Absent(detail):
                return Need(False, f"{detail} any more")
            case Outside(detail) | Unknown(detail):
                return Need(None, detail)
            case _:
                return Need(True, f"{reference} is there")


def _need(found: Found) -> Need:
    if found.there is None:
        return Need(None, f"{found.what} is not known ({found.why})")
    return Need(found.there, f"{found.what} is {'there' if found.there else 'not there any more'}")
