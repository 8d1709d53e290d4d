"""Kafka, Redis and AWS on a laptop, so that a policy can be rehearsed without an account."""
