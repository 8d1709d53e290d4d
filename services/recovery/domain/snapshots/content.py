"""What a version runs, whatever its task definition is called: the same content may be registered again and again."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from services.recovery.domain.change import content_hash


@dataclass(frozen=True, slots=True)
class Content:
    """A described task definition, and container name → digest of the image that ran."""

    definition: Mapping[str, Any] = field(repr=False)
    digests: Mapping[str, str]

    def same(self, other: "Content") -> bool | None:
        """Return whether both run the same; None where only the same tags say so, which can be moved.

        Families, tags and the names of repositories make no difference; what an image's digest is, does.
        """
        if self.rest != other.rest:
            return False
        pairs = list(zip(self.images, other.images, strict=True))
        if any(ours.differs(theirs) for ours, theirs in pairs):
            return False
        return True if all(ours.digest and theirs.digest for ours, theirs in pairs) else None

    @property
    def fingerprint(self) -> str:
        """Return a SHA-256 that is the same for what runs the same; empty where the digest of an image is not known."""
        digests = [image.digest for image in self.images]
        return hashlib.sha256(" ".join([self.rest, *digests]).encode()).hexdigest() if all(digests) else ""

    @property
    def images(self) -> "list[Image]":
        """Return the image of each container, in their order."""
        found = []
        for container in self.definition["containerDefinitions"]:
            reference = str(container["image"])
            digest = reference.rpartition("@")[2] if "@" in reference else self.digests.get(container["name"], "")
            found.append(Image(reference, digest))
        return found

    @property
    def rest(self) -> str:
        """Return a hash of everything but the images."""
        containers = [{**container, "image": ""} for container in self.definition["containerDefinitions"]]
        return content_hash({**self.definition, "family": "", "containerDefinitions": containers})


class Image(NamedTuple):
    reference: str
    digest: str

    def differs(self, other: "Image") -> bool:
        """Return whether they are known to be different images."""
        if self.digest and other.digest:
            return self.digest != other.digest
        return self.reference != other.reference
