"""Simulated AWS: ECS services that really roll, on top of moto, over HTTP on loopback."""
