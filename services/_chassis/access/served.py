"""Whom the API serves without a credential."""

from enum import StrEnum


class Served(StrEnum):
    """Who is served without a credential (``SUREFOOT_ACCESS``)."""

    LOOPBACK = "loopback"
    """Callers on this machine, until there is a key or an issuer; then nobody. The default where the process listens on
    loopback alone."""
    DEMANDED = "demanded"
    """Nobody, from the first start on. The default where the process listens beyond loopback."""
    OPEN = "open"
    """Everybody."""
