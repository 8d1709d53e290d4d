"""Kafka, Redis, AWS and HTTP in one process, under a virtual clock that jumps over waiting."""
