"""The simulated AWS as a server: HTTP, the seeded accounts, and the thread that advances time."""

from sandbox.aws.server.server import SimulatedAws

__all__ = ["SimulatedAws"]
