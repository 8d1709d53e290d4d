"""Work that takes longer than a moment."""
