"""The ports of diagnostics, on AWS."""
