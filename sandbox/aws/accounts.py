"""The accounts and regions of the simulated AWS."""

from typing import NamedTuple

ACCOUNT = "123456789012"
REGION = "us-west-2"
SECOND_ACCOUNT = "210987654321"
OPT_IN_REGION = "eu-south-1"

OPT_IN_REGIONS = frozenset({
    "af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
    "ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1",
    "me-central-1", "me-south-1", "mx-central-1",
})  # fmt: skip
"""Regions that accept no token of the global STS endpoint (IAM user guide, "Manage AWS STS in an AWS Region")."""


class Place(NamedTuple):
    """One region of one account."""

    account: str
    region: str


HOME = Place(ACCOUNT, REGION)
"""The account and region of calls that are not signed for another one."""
