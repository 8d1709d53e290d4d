"""Emergency scaling: when, by how much, and how it is restored."""
