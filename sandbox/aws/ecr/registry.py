"""The images that ECS can pull: real manifests with real digests, and tags that point to them.

Those of the repository ``backend`` are found by their tags alone; those of others, in ECR or elsewhere, by their URI.
A behaviour belongs to a digest. Most images are OCI indexes as ``docker buildx`` pushes them, with an
attestation beside the image; the one built for the wrong architecture is a single manifest, whose
architecture stands in its configuration only.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.scenarios.behaviour import RUNNING_TAG, Behaviour

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIGURATION = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

REPOSITORY = "backend"


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def split(reference: str) -> tuple[str, str, str]:
    """Return an image reference's repository, tag and digest; the latter two are empty where it has none."""
    name, _, digest = reference.partition("@")
    head, slash, last = name.rpartition("/")
    repository, _, tag = last.partition(":")
    return head + slash + repository, tag, digest


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


@dataclass(slots=True)
class Repository:
    """One repository of any registry."""

    uri: str
    """Without tag and digest; names of Docker Hub as task definitions have them."""
    tags: dict[str, str] = field(default_factory=dict)
    """Tag → digest."""
    digests: set[str] = field(default_factory=set)
    listed: bool = True
    """Whether ECR lists it: one of a pull-through cache is there only when something has been pulled through it."""
    cached: bool = False
    """Whether it is of a pull-through cache; the first part of its name is then the prefix of the cache's rule."""
    lifecycle: str = ""
    """The text of its lifecycle policy; empty: it has none. Nothing is deleted by it here."""
    readable: bool = True
    """Whether the account of the services may look into it. ECS pulls with permissions of its own."""


class Registry:
    """The images of every repository, found by tag and by digest."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.uri = f"{host}/{REPOSITORY}"
        own = Repository(self.uri)
        self.tags = own.tags
        """Tag → digest, of the repository ``backend``."""
        self.repositories = {self.uri: own}
        self.manifests: dict[str, Manifest] = {}
        self.blobs: dict[str, bytes] = {}
        self.gone: set[str] = set()
        """Digests that were deleted; ``push`` brings them back."""
        self.push(RUNNING_TAG, Behaviour(name="healthy"))

    def resolve(self, reference: str) -> Manifest | None:
        """Return the manifest of ``repository:tag``, ``repository@digest`` or both together; None if there is none."""
        uri, tag, digest = split(reference)
        repository = self.repositories.get(uri)
        if repository is None:
            return None
        return self.find(repository, tag or ("" if digest else "latest"), digest)

    def find(self, repository: Repository, tag: str, digest: str) -> Manifest | None:
        """Return what is there under a digest, or else under a tag. Of both together the digest counts."""
        found = digest or repository.tags.get(tag, "")
        return None if found in self.gone or found not in repository.digests else self.manifests.get(found)

    def image_of(self, manifest: Manifest) -> Manifest:
        """Return the one image of an index; any other manifest is itself an image."""
        entries = json.loads(manifest.content).get("manifests", ())
        return self.manifests[entries[0]["digest"]] if entries else manifest

    def is_gone(self, manifest: Manifest) -> bool:
        return manifest.digest in self.gone

    def tags_of(self, digest: str) -> list[str]:
        return sorted(tag for tag, target in self.tags.items() if target == digest)

    def tagged(self) -> Iterator[tuple[str, Manifest]]:
        for tag, digest in self.tags.items():
            yield tag, self.manifests[digest]

    def push(self, tag: str, behaviour: Behaviour) -> str:
        """Push an image of its own that behaves so, and return its digest; the same tag again is the same image."""
        return self._push(self.repositories[self.uri], tag, tag, behaviour)

    def add(self, reference: str, behaviour: Behaviour, *, listed: bool = True, readable: bool = True) -> str:
        """Add an image of another repository, in ECR or elsewhere, and return its digest."""
        uri, tag, _ = split(reference)
        repository = self.repositories.setdefault(
            uri, Repository(uri, listed=listed, cached=not listed, readable=readable)
        )
        return self._push(repository, tag or "latest", reference, behaviour)

    def delete(self, tag: str) -> None:
        """Delete the image that the tag names: whoever pulls it from now on finds nothing."""
        digest = self.tags[tag]
        self.gone |= {digest}
        for known in self.tags_of(digest):
            del self.tags[known]

    def pulled(self, reference: str) -> None:
        """Note that a task has pulled this: a pull-through cache has it from now on."""
        repository = self.repositories.get(split(reference)[0])
        if repository is not None:
            repository.listed = True

    def _push(self, repository: Repository, tag: str, content: str, behaviour: Behaviour) -> str:
        before = set(self.manifests)
        image = self._image(content, behaviour)
        top = self._index(image, behaviour) if behaviour.architecture == "amd64" else image
        repository.tags[tag] = top.digest
        repository.digests |= {*(self.manifests.keys() - before), top.digest}
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
