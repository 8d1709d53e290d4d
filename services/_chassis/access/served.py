"""Whom the API serves without a credential."""

from enum import StrEnum


class Served(StrEnum):
    """Who is served without a credential (``SUREFOOT_ACCESS``)."""

    LOOPBACK = "loopback"
    """Callers on this machine, until there is a key or an issuer; then nobody."""
    DEMANDED = "demanded"
    """Nobody, from the first start on."""
    OPEN = "open"
    """Everybody."""
