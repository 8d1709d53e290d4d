"""What the monitor decides about metrics, rules and alerts, without I/O."""
