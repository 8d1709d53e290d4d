"""Turns what registries say about images into gates: are they there, can the tasks run them, by which digest?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.gates import Gate
from contracts.image_reference import Reference
from contracts.policy import Gates
from contracts.results import PreflightOutput
from services.validator.domain.facts import Absent, Image, Outside, Unknown
from services.validator.domain.manifest import LINUX_AMD64, Platform
from services.validator.domain.preflight import Findings


@dataclass(frozen=True, slots=True)
class Wanted:
    """A container's image, and the result of looking it up."""

    container: str
    image: str
    """The reference as it was written."""
    found: Image | Absent | Outside | Unknown


@dataclass(frozen=True, slots=True)
class Demands:
    """What the policy demands of images."""

    trusts_digests: bool = False
    """Whether a digest that is named is enough for an image that nobody can look up."""

    @classmethod
    def of(cls, gates: Gates) -> "Demands":
        return cls(trusts_digests=gates.unseen_images == "trust-digest")

    def trusts(self, wanted: Wanted) -> bool:
        return self.trusts_digests and isinstance(wanted.found, Outside) and pinned(wanted) is not None


def image_findings(wanted: Wanted, beside: Mapping[str, str], runs_on: Platform, demands: Demands) -> Findings:
    """Return the findings about the image of an ``ImageChange``; one that is absent has the first gate only.

    ``beside``: container name → image reference, of what stays.
    """
    exists = exists_gate((wanted,), demands)
    if isinstance(wanted.found, Absent):
        return Findings((exists,), (wanted.found,))
    exact = pinned(wanted)
    images = {wanted.container: exact} if exact else {}
    return Findings(
        (exists, architecture_gate((wanted,), runs_on, demands), digest_gate(wanted)),
        (wanted.found,),
        PreflightOutput(images=images, digests=digests_of({**beside, **images})) if exact else None,
    )


def exists_gate(wanted: tuple[Wanted, ...], demands: Demands) -> Gate:
    """Return the gate ``image_exists``: every image that can be looked up is in its registry."""
    holds: list[bool | None] = []
    details: list[str] = []
    for image in wanted:
        match image.found:
            case Image():
                holds.append(True)
                details.append(f"{image.image} is there")
            case Absent(detail):
                holds.append(False)
                details.append(detail)
            case Unknown(detail):
                holds.append(None)
                details.append(detail)
            case Outside(detail):
                details.append(_trusted(detail, image, demands))
    return _all("image_exists", holds, details, all(map(demands.trusts, wanted)))


def architecture_gate(wanted: tuple[Wanted, ...], runs_on: Platform, demands: Demands) -> Gate:
    """Return the gate ``architecture``: every image has the platform that its tasks run on.

    An image that is absent fails ``image_exists`` alone.
    """
    holds: list[bool | None] = []
    details: list[str] = []
    for image in wanted:
        match image.found:
            case Image(_, frozenset() as platforms):
                holds.append(runs_on in platforms)
                advice = "" if runs_on in platforms else _advice(runs_on)
                details.append(f"{image.image} is {_list(platforms)}{advice}")
            case Image(_, Unknown(detail)) | Unknown(detail):
                holds.append(None)
                details.append(detail)
            case Outside(detail):
                details.append(_trusted(detail, image, demands))
            case Absent():
                pass
    return _all("architecture", holds, details, all(map(demands.trusts, wanted)))


def digest_gate(wanted: Wanted) -> Gate:
    """Return the gate ``digest_resolved``: it is known exactly what would be applied."""
    exact = pinned(wanted)
    name = Reference.parse(wanted.image).name
    detail = exact or f"the digest of {wanted.image} is not known: name the image as {name}@sha256:…"
    return Gate.true("digest_resolved", exact is not None, detail=detail)


def pinned(wanted: Wanted) -> str | None:
    """Return the image by its digest in the registry, or by the reference's own where the registry cannot be read.

    None where neither is known, and for an image that does not exist.
    """
    if isinstance(wanted.found, Absent):
        return None  # its reference may not even be one
    reference = Reference.parse(wanted.image)
    digest = wanted.found.digest if isinstance(wanted.found, Image) else reference.digest
    return str(reference.pinned(digest)) if digest else None


def digests_of(references: Mapping[str, str]) -> dict[str, str]:
    """Return container name → digest, of the references that name one."""
    return {name: reference.partition("@")[2] for name, reference in references.items() if "@" in reference}


def _all(name: str, holds: Sequence[bool | None], details: Sequence[str], trusted: bool) -> Gate:
    """Return a gate that holds where all hold; without any, or with an unknown one (None), it is inconclusive.

    Where the policy trusts the digests of all images, there is nothing to look up.
    """
    detail = "; ".join(details) or "there is no image to look at"
    if trusted and details:
        return Gate.does_not_apply(name, detail)
    all_hold = False if False in holds else None if None in holds or not holds else True
    return Gate.true(name, all_hold, samples=sum(found is not None for found in holds), detail=detail)


def _trusted(detail: str, wanted: Wanted, demands: Demands) -> str:
    return f"{detail}; the policy trusts the digest that is named" if demands.trusts(wanted) else detail


def _list(platforms: frozenset[Platform]) -> str:
    return ", ".join(map(str, sorted(platforms)))


def _advice(runs_on: Platform) -> str:
    """Return the rest of a sentence about an image that its tasks cannot run."""
    other = "" if runs_on == LINUX_AMD64 else ", or change the task definition's runtimePlatform"
    return f", not {runs_on}: build it with --platform {runs_on}{other}"
