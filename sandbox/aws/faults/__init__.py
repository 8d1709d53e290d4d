"""What goes wrong on the way: injected faults, throttled calls, reads that are stale."""
