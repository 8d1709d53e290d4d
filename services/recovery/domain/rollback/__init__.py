"""How a rollback goes on, and what it shows."""
