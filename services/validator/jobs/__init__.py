"""The validator's jobs: reading AWS and testing a service take longer than a moment."""
