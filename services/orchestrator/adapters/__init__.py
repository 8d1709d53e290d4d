"""What the orchestrator reads of its own records."""
