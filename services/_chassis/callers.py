"""Who asks over HTTP: a caller who has proven who it is, or else the address that the request came from."""

from ipaddress import IPv6Address, IPv6Network, ip_address

from starlette.types import Scope

PROVEN = "surefoot.caller"
"""Where a request's scope has the name of its proven caller."""
UNKNOWN = "unknown"
"""The address of all whose address is not known: they share one."""


def caller_of(scope: Scope, proxies: int) -> str:
    """Return by what a request is counted. ``proxies``: how many in front are trusted to write X-Forwarded-For."""
    proven = scope.get(PROVEN)
    return f"caller {proven}" if proven else f"address {address_of(scope, proxies)}"


def is_proven(scope: Scope) -> bool:
    return bool(scope.get(PROVEN))


def address_of(scope: Scope, proxies: int) -> str:
    """Return the address of who asks: the one that the outermost trusted proxy saw.

    Each proxy appends the address that it saw, so it is counted from the right: what stands further left is the
    caller's own word. The addresses of an IPv6 subnet count as one (RFC 6177: a site gets a /64 at least).
    """
    client = scope.get("client")
    peer = client[0] if client else ""
    forwarded = [
        address.strip()
        for name, value in scope["headers"]
        if name == b"x-forwarded-for"
        for address in value.decode("latin-1").split(",")
    ]
    seen = forwarded[-proxies] if 0 < proxies <= len(forwarded) else peer
    return _normal(seen) or _normal(peer) or UNKNOWN


def _normal(text: str) -> str:
    """Return an address in one form; an empty text where it is none."""
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), 64), strict=False))
