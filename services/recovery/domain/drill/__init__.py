"""Drills: what is practised, when, and how long it took."""
