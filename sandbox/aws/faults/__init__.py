"""Faults of calls: injected errors, throttling, stale reads."""
