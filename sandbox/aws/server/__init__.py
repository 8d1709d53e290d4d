"""The simulated AWS as its callers meet it: HTTP, the account that is seeded, and the clock that lets time pass."""

from sandbox.aws.server.server import SimulatedAws

__all__ = ["SimulatedAws"]
