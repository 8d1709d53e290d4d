"""How services are found by name: Cloud Map, and Service Connect, in the words of both.

Cloud Map API reference, CreateService; ECS API reference, ServiceRegistry and ServiceConnectConfiguration.
"""

from typing import Annotated, Literal

from pydantic import Field

from sandbox.scenarios.balancing import Port
from sandbox.scenarios.frozen import Frozen

MapName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,127}$")]


class DnsRecord(Frozen):
    type: Literal["A", "AAAA", "SRV", "CNAME"] = "A"
    ttl: Annotated[int, Field(ge=0, le=2_147_483_647)] = 60


class MapService(Frozen):
    """A service of Cloud Map."""

    name: MapName
    dns_records: tuple[DnsRecord, ...] = (DnsRecord(),)
    """Empty in a namespace of type HTTP."""


class Namespace(Frozen):
    """A namespace of Cloud Map, and its services that people have made; ECS makes those of Service Connect itself."""

    name: MapName
    type: Literal["DNS_PRIVATE", "DNS_PUBLIC", "HTTP"] = "DNS_PRIVATE"
    services: tuple[MapService, ...] = ()


class ServiceRegistry(Frozen):
    """One entry of a service's ``serviceRegistries``; the service of Cloud Map is named, not given by ARN."""

    namespace: MapName
    service: MapName
    container_name: str | None = None
    container_port: Port | None = None
    """Both or none: for SRV records, and with the network modes bridge and host."""
    port: Port | None = None
    """It is registered in SRV records; the network mode awsvpc alone takes it."""


class ClientAlias(Frozen):
    port: Port
    dns_name: str | None = None


class ConnectService(Frozen):
    """What others reach of a service by Service Connect."""

    port_name: str
    """The name of a port mapping: that of its container."""
    discovery_name: str | None = None
    client_aliases: Annotated[tuple[ClientAlias, ...], Field(max_length=1)] = ()


class ServiceConnect(Frozen):
    namespace: MapName
    services: tuple[ConnectService, ...] = ()
    """Empty: it reaches others, and is reached by none."""
