"""Image references: ``[registry/]repository[:tag][@digest]``.

The grammar is that of https://github.com/distribution/reference (reference.go).
"""

import re
from dataclasses import dataclass, replace
from typing import Self

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ECR = re.compile(
    r"(?P<account>[0-9]{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)"
)

_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})


@dataclass(frozen=True, slots=True)
class EcrRegistry:
    """A private registry of ECR: one for each account and region."""

    account: str
    region: str


@dataclass(frozen=True, slots=True)
class Reference:
    """The parts of a reference; ``str`` returns it as it was written."""

    registry: str | None
    """The registry's host name, with its port if it has one; None for Docker Hub."""
    repository: str
    tag: str | None = None
    digest: str | None = None
    """``sha256:`` and 64 hexadecimal digits; where there is one, the tag has no effect."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference. Raise ``ValueError``, whose text says which part is wrong and what is expected."""
        name, at, digest = text.partition("@")
        if at and not _DIGEST.fullmatch(digest):
            raise ValueError(f"the digest of {text!r} is not sha256: and 64 hexadecimal digits")
        head, colon, tail = name.rpartition(":")
        tagged = bool(colon) and "/" not in tail  # host:5000/app has a port, no tag
        path, tag = (head, tail) if tagged else (name, None)
        if tag is not None and not _TAG.fullmatch(tag):
            raise ValueError(f"the tag of {text!r} is not at most 128 letters, digits, '_', '.' and '-'")
        first, slash, rest = path.partition("/")
        named = bool(slash) and (first == "localhost" or bool(re.search(r"[.:A-Z\[]", first)))
        registry, repository = (first, rest) if named else (None, path)
        if registry is not None and not _REGISTRY.fullmatch(registry):
            raise ValueError(f"the registry of {text!r} is not a host name with an optional port")
        if not _REPOSITORY.fullmatch(repository) or len(repository) > 255:
            raise ValueError(
                f"the repository of {text!r} is not lower-case letters and digits, separated by '.', '_', '-' and '/'"
            )
        return cls(registry, repository, tag, digest if at else None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.name}{tag}{digest}"

    @property
    def name(self) -> str:
        """Return registry and repository, as written."""
        return self.repository if self.registry is None else f"{self.registry}/{self.repository}"

    @property
    def place(self) -> str:
        """Return registry and repository in one spelling: two references are of one repository if these are equal.

        Docker Hub has several host names and, for its official images, a prefix that is left out; a registry of ECR has
        endpoints for IPv6 and FIPS besides its usual one.
        """
        if self.ecr is not None:
            return f"{self.ecr.account}.dkr.ecr.{self.ecr.region}.amazonaws.com/{self.repository}"
        if self.registry is None or self.registry.lower() in _DOCKER_HUB:
            return f"docker.io/{self.repository if '/' in self.repository else f'library/{self.repository}'}"
        return f"{self.registry.lower()}/{self.repository}"

    @property
    def ecr(self) -> EcrRegistry | None:
        """Return the registry of ECR that it is in; None where it is in another registry."""
        match = _ECR.fullmatch(self.registry or "")
        return EcrRegistry(match["account"], match["region"]) if match else None

    def pinned(self, digest: str) -> Self:
        """Return the same repository by digest alone, as it is applied."""
        return replace(self, tag=None, digest=digest)
