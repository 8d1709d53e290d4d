"""Is the new version worse than the one before? Minutes since the change are compared with those before it."""
