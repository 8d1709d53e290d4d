"""What the monitor knows of metrics, rules and alerts, without asking anybody."""
