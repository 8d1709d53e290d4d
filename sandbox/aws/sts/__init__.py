"""Simulated STS: roles are assumed as their trust policies say, and their credentials expire."""
