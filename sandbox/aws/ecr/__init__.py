"""Simulated ECR: one repository, whose images are real manifests."""
