"""The images of the repository ``backend``: real manifests with real digests, and tags that point to them.

A behaviour belongs to a digest. Most images are OCI indexes as ``docker buildx`` pushes them, with an
attestation beside the image; the one built for the wrong architecture is a single manifest, whose
architecture stands in its configuration only.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.scenarios.behaviour import RUNNING_TAG, Behaviour

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIGURATION = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

REPOSITORY = "backend"


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or an index as it was pushed, with the behaviour of a container that runs it."""

    content: bytes
    media_type: str
    behaviour: Behaviour
    platforms: frozenset[str]
    """What it can run on, as ``os/architecture``."""

    @property
    def digest(self) -> str:
        return digest_of(self.content)

    @property
    def size(self) -> int:
        """Bytes of everything that the manifest names."""
        document = json.loads(self.content)
        parts = [*document.get("layers", ()), *document.get("manifests", ()), document.get("config", {})]
        return sum(int(part.get("size", 0)) for part in parts)


class Registry:
    """Every image of the one repository, found by tag and by digest."""

    def __init__(self, host: str) -> None:
        self.uri = f"{host}/{REPOSITORY}"
        self.manifests: dict[str, Manifest] = {}
        self.blobs: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}
        self.gone: set[str] = set()
        """Digests that were deleted; ``push`` brings them back."""
        self.push(RUNNING_TAG, Behaviour(name="healthy"))

    def resolve(self, reference: str) -> Manifest | None:
        """Return the manifest of ``repository:tag``, ``repository@digest`` or both together; None if there is none."""
        name, _, digest = reference.partition("@")
        head, slash, last = name.rpartition("/")
        repository, _, tag = last.partition(":")
        if head + slash + repository != self.uri:
            return None
        found = digest or self.tags.get(tag or "latest", "")
        return None if found in self.gone else self.manifests.get(found)

    def tags_of(self, digest: str) -> list[str]:
        return sorted(tag for tag, target in self.tags.items() if target == digest)

    def tagged(self) -> Iterator[tuple[str, Manifest]]:
        for tag, digest in self.tags.items():
            yield tag, self.manifests[digest]

    def push(self, tag: str, behaviour: Behaviour) -> str:
        """Push an image of its own that behaves so, and return its digest; the same tag again is the same image."""
        image = self._image(tag, behaviour)
        top = self._index(image, behaviour) if behaviour.architecture == "amd64" else image
        self.tags[tag] = top.digest
        self.gone -= {top.digest}
        return top.digest

    def _image(self, tag: str, behaviour: Behaviour) -> Manifest:
        layer = f"the filesystem of {tag}".encode()
        configuration = _encode(
            {
                "architecture": behaviour.architecture,
                "os": "linux",
                "created": "2026-01-01T00:00:00Z",
                "config": {
                    "Cmd": ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000"],  # noqa: S104  inside the container
                    "ExposedPorts": {"8000/tcp": {}},
                    "Labels": {"org.opencontainers.image.version": tag},
                },
                "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
            }
        )
        content = _encode(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self._blob(configuration, CONFIGURATION),
                "layers": [self._blob(layer, LAYER)],
            }
        )
        return self._keep(Manifest(content, MANIFEST, behaviour, frozenset({f"linux/{behaviour.architecture}"})))

    def _index(self, image: Manifest, behaviour: Behaviour) -> Manifest:
        statement = self._blob(
            _encode({"predicateType": "https://slsa.dev/provenance/v1"}), "application/vnd.in-toto+json"
        )
        attestation = _encode(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self._blob(_encode({"architecture": "unknown", "os": "unknown"}), CONFIGURATION),
                "layers": [statement],
            }
        )
        self._keep(Manifest(attestation, MANIFEST, behaviour, frozenset()))
        entries = [
            {
                "mediaType": MANIFEST,
                "digest": image.digest,
                "size": len(image.content),
                "platform": {"architecture": behaviour.architecture, "os": "linux"},
            },
            {
                "mediaType": MANIFEST,
                "digest": digest_of(attestation),
                "size": len(attestation),
                "annotations": {
                    "vnd.docker.reference.digest": image.digest,
                    "vnd.docker.reference.type": "attestation-manifest",
                },
                "platform": {"architecture": "unknown", "os": "unknown"},
            },
        ]
        content = _encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
        return self._keep(Manifest(content, INDEX, behaviour, image.platforms))

    def _blob(self, content: bytes, media_type: str) -> dict[str, Any]:
        digest = digest_of(content)
        self.blobs[digest] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def _keep(self, manifest: Manifest) -> Manifest:
        self.manifests[manifest.digest] = manifest
        return manifest
