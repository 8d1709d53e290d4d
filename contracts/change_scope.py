"""What a change brings that the live version does not have: another repository, another family, another role.

Preflight asks this early, to say it soon; recovery asks it right before it changes anything, and decides.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contracts.image_reference import Reference
from contracts.policy import ChangeScope


@dataclass(frozen=True, slots=True)
class TaskVersion:
    """What is compared of a task definition."""

    family: str
    images: Mapping[str, str]
    """Container name → image reference as it is written there."""
    task_role: str | None = None
    execution_role: str | None = None
    """ARNs, or names without an ARN; None: no role."""


def why_not_permitted(live: TaskVersion, new: TaskVersion, allowed: ChangeScope) -> str | None:
    """Return a sentence about everything that ``new`` brings and neither ``live`` nor the policy has; None: nothing.

    No role is no other role: without one, tasks may do less.
    """
    found = [*_family(live, new, allowed), *_repositories(live, new, allowed), *_roles(live, new, allowed)]
    return " ".join(found) or None


def place_of(image: str) -> str | None:
    """Return the repository of an image in one spelling; None for what is no reference."""
    try:
        return Reference.parse(image).place
    except ValueError:
        return None


def _family(live: TaskVersion, new: TaskVersion, allowed: ChangeScope) -> Iterator[str]:
    if new.family != live.family and new.family not in allowed.families:
        yield _refused(f"The task definition is of the family {new.family}", live.family, "families")


def _repositories(live: TaskVersion, new: TaskVersion, allowed: ChangeScope) -> Iterator[str]:
    """A container keeps its own repository; one that is new may have that of any container of the live version."""
    named = {place_of(repository) for repository in allowed.repositories}
    everywhere = {place_of(image) for image in live.images.values()}
    for container, image in new.images.items():
        place = place_of(image)
        before = {place_of(live.images[container])} if container in live.images else everywhere
        if image == live.images.get(container) or (place is not None and place in before | named):
            continue
        was = ", ".join(sorted(filter(None, before))) or "no repository that can be read"
        what = f"is of the repository {place}" if place else "is no well-formed reference"
        yield _refused(f"The image of the container {container} {what}", was, "repositories")


def _roles(live: TaskVersion, new: TaskVersion, allowed: ChangeScope) -> Iterator[str]:
    for kind, before, role in (
        ("task role", live.task_role, new.task_role),
        ("execution role", live.execution_role, new.execution_role),
    ):
        if role and not any(_same(role, other) for other in (before, *allowed.roles) if other):
            yield _refused(f"The {kind} is {role}", before or "none", "roles")


def _same(role: str, other: str) -> bool:
    """Return whether two texts name one role. A name is unique in its account, and tasks have none of another's."""
    if role.startswith("arn:") and other.startswith("arn:"):
        return role == other
    return role.rpartition("/")[2] == other.rpartition("/")[2]


def _refused(what: str, live: str, key: str) -> str:
    return f"{what}, the live version's is {live}, and the policy does not allow it (change.{key})."
