"""What a version is recognised by, whatever its task definition is called: the digests of its essential images."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.recovery import KnownVersion
from services.recovery.domain.change import Body
from services.recovery.domain.moves.stack import stack_of
from services.recovery.domain.snapshots.content import Content
from services.recovery.domain.snapshots.snapshot import Snapshot


def version_of(task_definition: str, definition: Body, digests: Mapping[str, str]) -> KnownVersion:
    """Return a version by its described task definition, and container name → digest of the image that ran."""
    containers = definition.get("containerDefinitions") or []
    images = Content({"containerDefinitions": containers}, digests).images
    essential = zip(containers, images, strict=True)
    known = {
        str(container["name"]): image.digest
        for container, image in essential
        if container.get("essential", True) and image.digest
    }
    return KnownVersion(task_definition=task_definition, images=known, stack=stack_of(definition))


def version_in(snapshot: Snapshot) -> KnownVersion:
    """Return a snapshot's version."""
    return version_of(snapshot.version, snapshot.task_definition, snapshot.digests)


def asked_version(task_definition: str, images: Mapping[str, str]) -> KnownVersion:
    """Return a version by the images that were asked for: container name → ``repository@sha256:…``."""
    digests = {name: image.partition("@")[2] for name, image in images.items() if "@" in image}
    return KnownVersion(task_definition=task_definition, images=digests)


@dataclass(frozen=True, slots=True)
class Versions:
    """What a rollback has exchanged, as far as it is known."""

    taken_back: KnownVersion | None = None
    """With those images alone that are others in what is brought back."""
    brought_back: KnownVersion | None = None


UNKNOWN = Versions()


def exchanged(taken: KnownVersion | None, snapshot: Snapshot | None) -> Versions:
    """Return what a rollback to a snapshot has exchanged. ``taken``: what it has replaced, with all its images."""
    back = version_in(snapshot) if snapshot is not None else None
    if taken is None or back is None:
        return Versions(taken, back)
    images = {name: digest for name, digest in taken.images.items() if back.images.get(name) != digest}
    return Versions(taken.model_copy(update={"images": images}), back)
