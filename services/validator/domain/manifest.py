"""Reads the platforms of an image from its manifest.

https://github.com/opencontainers/image-spec/blob/v1.1.0/image-index.md and config.md; Docker's schema 2 has the
same fields under other media types.
"""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """An operating system and an architecture, by their names in Go: ``linux``, ``amd64``."""

    os: str
    architecture: str

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}"


LINUX_AMD64 = Platform("linux", "amd64")
_ATTESTATION = Platform("unknown", "unknown")


@dataclass(frozen=True, slots=True)
class Index:
    """One image for each platform."""

    platforms: frozenset[Platform]


@dataclass(frozen=True, slots=True)
class Single:
    """One image, whose configuration names its platform."""

    configuration: str
    """The digest of the configuration blob."""


class _Loose(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Platform(_Loose):
    os: str
    architecture: str


class _Entry(_Loose):
    platform: _Platform | None = None


class _Blob(_Loose):
    digest: str


class _Manifest(_Loose):
    manifests: tuple[_Entry, ...] | None = None
    config: _Blob | None = None


def read_manifest(text: str) -> Index | Single:
    """Read an index or a manifest. Raise ``ValueError`` for what is neither."""
    try:
        manifest = _Manifest.model_validate_json(text)
    except ValidationError:
        raise ValueError("its manifest cannot be read") from None
    if manifest.manifests is not None:
        listed = {
            Platform(entry.platform.os, entry.platform.architecture) for entry in manifest.manifests if entry.platform
        }
        # buildx lists its attestations, which are no images, beside the images
        if platforms := frozenset(listed - {_ATTESTATION}):
            return Index(platforms)
        raise ValueError("its index names no platform")
    if manifest.config is None:
        raise ValueError("its manifest names no configuration")
    return Single(manifest.config.digest)


def read_configuration(blob: bytes) -> Platform:
    """Read the platform of an image's configuration. Raise ``ValueError`` if it names none."""
    try:
        found = _Platform.model_validate_json(blob)
    except ValidationError:
        raise ValueError("its configuration names no platform") from None
    return Platform(found.os, found.architecture)
