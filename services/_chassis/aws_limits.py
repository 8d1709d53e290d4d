"""How long a call to AWS may take; apart from the clients, so that settings are read without boto3."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AwsLimits:
    """How long a call may take, in real seconds, and how often it is tried."""

    connect: float = 3
    answer: float = 10
    tries: int = 4


USUAL_LIMITS = AwsLimits()
