"""The state of Cloud Map in one region of one account. It is changed under the world's lock."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.aws.errors import AwsFault

HTTP, PRIVATE, PUBLIC = "HTTP", "DNS_PRIVATE", "DNS_PUBLIC"


@dataclass(slots=True)
class Namespace:
    id: str
    arn: str
    name: str
    type: str
    created: float
    description: str = ""


@dataclass(slots=True)
class MapService:
    """A service of Cloud Map: a name under which instances are found."""

    id: str
    arn: str
    name: str
    namespace: Namespace
    created: float
    settings: dict[str, Any]
    """``DnsConfig``, health checks, ``Description``: as CreateService was given them."""
    instances: dict[str, dict[str, str]] = field(default_factory=dict)
    """Id → attributes."""
    owner: str = ""
    """The ARN of the ECS service for whose Service Connect ECS has made it; empty where a person has."""
    alias: tuple[str, int] | None = None
    """DNS name and port under which clients of Service Connect reach it."""

    @property
    def record_types(self) -> frozenset[str]:
        records = (self.settings.get("DnsConfig") or {}).get("DnsRecords", ())
        return frozenset(str(record["Type"]) for record in records)


class CloudMap:
    def __init__(self, account: str, region: str) -> None:
        self.prefix = f"arn:aws:servicediscovery:{region}:{account}"
        self.namespaces: dict[str, Namespace] = {}
        self.services: dict[str, MapService] = {}
        self.operations: dict[str, dict[str, Any]] = {}

    def add_namespace(self, name: str, kind: str, now: float, description: str = "") -> Namespace:
        if any(known.name == name and known.type == kind for known in self.namespaces.values()):
            raise AwsFault("NamespaceAlreadyExists", f"A namespace with name {name} already exists.")
        id_ = _id("ns", f"{self.prefix} {name} {kind}")
        made = Namespace(id_, f"{self.prefix}:namespace/{id_}", name, kind, now, description)
        self.namespaces[id_] = made
        return made

    def namespace(self, name: str) -> Namespace:
        """Return a namespace by id or ARN. Raise ``AwsFault``."""
        found = self.namespaces.get(name.rpartition("/")[2])
        if found is None:
            raise AwsFault("NamespaceNotFound", f"Namespace not found: {name}")
        return found

    def add(
        self, name: str, namespace: Namespace, settings: Mapping[str, Any], now: float, owner: str = ""
    ) -> MapService:
        """Make a service. One of the same name in the same namespace gets the same id again, as at AWS."""
        if (there := self.named(namespace, name)) is not None:
            raise AwsFault("ServiceAlreadyExists", f"Service already exists: {there.id}")
        id_ = _id("srv", f"{namespace.id} {name}")
        made = MapService(id_, f"{self.prefix}:service/{id_}", name, namespace, now, dict(settings), owner=owner)
        self.services[id_] = made
        return made

    def named(self, namespace: Namespace, name: str) -> MapService | None:
        return next(
            (known for known in self.services.values() if known.namespace is namespace and known.name == name), None
        )

    def find(self, name: str) -> MapService | None:
        """Return a service by id or ARN; None where there is none."""
        return self.services.get(name.rpartition("/")[2])

    def service(self, name: str) -> MapService:
        """Return a service by id or ARN. Raise ``AwsFault``."""
        found = self.find(name)
        if found is None:
            raise AwsFault("ServiceNotFound", f"Service not found: {name}")
        return found

    def release(self, owner: str) -> None:
        """Delete what ECS has made for the Service Connect of one of its services, which is gone."""
        for id_ in [id_ for id_, known in self.services.items() if known.owner == owner]:
            del self.services[id_]

    def begin(self, kind: str, target: str, id_: str, now: float) -> str:
        """Note an operation, which has succeeded at once, and return its id."""
        operation = _id("op", f"{kind} {id_} {len(self.operations)}")[3:]
        self.operations[operation] = {
            "Id": operation, "Type": kind, "Status": "SUCCESS", "CreateDate": now, "UpdateDate": now,
            "Targets": {target: id_},
        }  # fmt: skip
        return operation


def _id(kind: str, of: str) -> str:
    return f"{kind}-{hashlib.sha256(of.encode()).hexdigest()[:16]}"
