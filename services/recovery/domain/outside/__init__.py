"""Whether an alert outside a run takes a young deployment back."""
