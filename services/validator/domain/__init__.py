"""The rules: what an image reference says, what a manifest runs on, which tests there are, how to judge."""
