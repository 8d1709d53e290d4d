"""What a request says of where it comes from and whom it means: what is believed of it. Pure.

A page in a browser on this machine can send requests to a name of its own that it lets point here (DNS rebinding), and
a proxy on this machine sends strangers' requests from loopback. So a request counts as one of this machine only if
nothing in it tells of another.
"""

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Self

from starlette.types import Scope

_OF_PROXIES = re.compile(
    rb"via|x-real-ip|.*forwarded.*|.*client-?ip|.*connecting-ip|x-proxyuser-.*|proxy-.*|x-original-.*|x-envoy-.*"
    rb"|x-amzn-.*|x-azure-.*|x-cloud-trace-context|cf-.*|fly-.*|fastly-.*|tailscale-.*|cdn-loop"
)
"""The names, with ``-`` for ``_``, of headers by which proxies, balancers and tunnels show themselves."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names under which this process is reached, besides the address that a connection was made to."""

    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, listed: Iterable[str]) -> Self:
        """``listed``: names or addresses without ports. This machine's own name is always one."""
        return cls(frozenset(name.strip().lower() for name in (*listed, socket.gethostname()) if name.strip()))

    def allow(self, scope: Scope) -> bool:
        """Return whether the request means this process: its ``Host`` is one of its names. HTTP/1.0 may have none."""
        given = _values(scope, b"host")
        return not given or (len(given) == 1 and self._is_ours(name_of(given[0]), scope))

    def _is_ours(self, name: str, scope: Scope) -> bool:
        return bool(name) and (name in self.names or means_loopback(name) or name == own_address(scope))


def name_of(host: bytes) -> str:
    """Return the name of a ``Host`` header without its port; empty for what is none."""
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        name, bracket, port = text[1:].partition("]")
        port = port.removeprefix(":") if bracket and (not port or port.startswith(":")) else "?"
    else:
        name, _, port = text.partition(":")
    return name.removesuffix(".") if not port or (port.isascii() and port.isdigit()) else ""


def means_loopback(name: str) -> bool:
    """Return whether a name or an address is this machine's own, as seen from itself."""
    if name == "localhost":
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def own_address(scope: Scope) -> str:
    """Return the address that the connection was made to."""
    return str((scope.get("server") or ("",))[0]).lower()


def is_local(scope: Scope) -> bool:
    """Return whether a request comes from this machine, and from nobody for whom a proxy or a page in a browser speaks.

    A proxy that hides itself, and an SSH tunnel, cannot be told from a local caller (docs/access.md).
    """
    hosts = _values(scope, b"host")
    by_proxy = any(_OF_PROXIES.fullmatch(name.replace(b"_", b"-")) for name, _ in scope["headers"])
    return (
        means_loopback(_peer(scope))
        and not by_proxy
        and not _by_another_page(scope, hosts)
        and scope.get("http_version") != "1.0"  # some proxies speak it, and name neither themselves nor the caller
        and len(hosts) == 1
        and (means_loopback(name_of(hosts[0])) or name_of(hosts[0]) == own_address(scope))
    )


def _by_another_page(scope: Scope, hosts: list[bytes]) -> bool:
    """Return whether a browser says that a page of another origin sends the request (Fetch Metadata, RFC 6454)."""
    ours = {scheme + host for scheme in (b"http://", b"https://") for host in hosts}
    sites = _values(scope, b"sec-fetch-site")
    return not (ours.issuperset(_values(scope, b"origin")) and {b"none", b"same-origin"}.issuperset(sites))


def _peer(scope: Scope) -> str:
    """Return the address of the other end of the connection; what a proxy says of others is not looked at."""
    return str((scope.get("client") or ("",))[0])


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for header, value in scope["headers"] if header == name]
