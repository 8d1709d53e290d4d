"""Whether what is to be applied is what was asked for. Recovery believes no other service in this."""

from collections.abc import Mapping

from contracts.change_scope import TaskVersion
from contracts.deployment import Cause, Change, ImageChange, TaskDefinitionChange
from contracts.gates import Gate
from contracts.image_reference import Reference
from services.recovery.domain.change import Body


class Refused(Exception):
    """What is to be applied is not what was asked for (``REFUSED``), not what the policy allows (``USAGE``), or fails
    one of ``gates`` (``GATE``).
    """

    def __init__(self, summary: str, cause: Cause = Cause.REFUSED, gates: tuple[Gate, ...] = ()) -> None:
        super().__init__(summary)
        self.cause = cause
        self.gates = gates


def version_of(definition: Mapping[str, object]) -> TaskVersion:
    """Return what is compared of a described task definition, or of one that is to be registered."""
    containers: list[Body] = definition.get("containerDefinitions") or []  # type: ignore[assignment]  # ECS's shape
    return TaskVersion(
        str(definition.get("family", "")),
        {str(container.get("name", "")): str(container.get("image", "")) for container in containers},
        str(definition.get("taskRoleArn") or "") or None,
        str(definition.get("executionRoleArn") or "") or None,
    )


def check_asked(change: Change | None, images: Mapping[str, str], wanted: str | None, live: TaskVersion) -> None:
    """Raise ``Refused`` where images or the task definition ``wanted`` cannot be what ``change`` asks for.

    ``wanted`` is only looked at as far as its kind goes: what a name of a task definition means, ECS says. None as
    ``change``: a previous version sent the command, and did not say what was asked for.
    """
    match change:
        case None:
            return
        case ImageChange():
            if wanted is not None:
                raise Refused("The request is about an image, and a task definition was to be applied.")
            _check_images(change, images, live)
        case TaskDefinitionChange():
            if wanted is None or images:
                raise Refused("The request is about a task definition, and images were to be applied.")
        case _:
            raise Refused("The request changes nothing, and something was to be changed.")


def tag_to_look_up(change: Change | None) -> str | None:
    """Return the reference whose tag decides which image was asked for; None where no tag does."""
    if not isinstance(change, ImageChange):
        return None
    reference = Reference.parse(change.reference)
    return None if reference.digest else str(reference)


def check_tag(tagged: str, names_now: str, images: Mapping[str, str]) -> None:
    """Raise ``Refused`` where the tag that was asked for names another image than the one to be applied."""
    for image in images.values():
        if not image.endswith(f"@{names_now}"):
            raise Refused(
                f"{tagged} names {names_now} now, and {_digest(image)}, which preflight had checked, was to be "
                "applied: the tag was moved meanwhile, or the answer of preflight is wrong. Deploy again to have what "
                f"the tag names now checked and deployed, or deploy {image} for what was checked."
            )


def check_named(asked: str, names_now: str | None, wanted: str) -> None:
    """Raise ``Refused`` where the task definition that was asked for is not the one to be applied.

    ``asked`` is ``family``, ``family:revision`` or an ARN; ``names_now`` and ``wanted`` are ARNs.
    """
    if names_now != wanted:
        names = _short(names_now) if names_now else "no task definition"
        raise Refused(
            f"{asked} names {names} now, and {_short(wanted)}, which preflight had checked, was to be applied: another "
            "revision was registered meanwhile, or the answer of preflight is wrong. Deploy again to have it checked "
            f"anew, or deploy {_short(wanted)} for what was checked."
        )


def _check_images(change: ImageChange, images: Mapping[str, str], live: TaskVersion) -> None:
    only = next(iter(live.images)) if len(live.images) == 1 else None
    container = change.container or only
    if container is None or set(images) != {container}:
        given_for = ", ".join(sorted(images)) or "none"
        asked = container or "one that is not named among several"
        raise Refused(f"The image of the container {asked} was to change, and the change is of {given_for}.")
    try:
        asked_for, given = Reference.parse(change.reference), Reference.parse(images[container])
    except ValueError:
        raise Refused("The image that was asked for, or the one to be applied, is no well-formed reference.") from None
    if given.place != asked_for.place:
        raise Refused(f"An image of {asked_for.place} was asked for, and one of {given.place} was to be applied.")
    if given.digest is None:
        raise Refused(f"{given.name} was to be applied without a digest, so that it is not known which image it is.")
    if asked_for.digest not in {None, given.digest}:
        raise Refused(f"{asked_for.digest} was asked for, and {given.digest} was to be applied.")


def _digest(image: str) -> str:
    return image.rpartition("@")[2]


def _short(arn: str) -> str:
    return arn.rpartition("/")[2]
