"""Scenarios as data: what an image does, what the world is like meanwhile, and how it must end."""
