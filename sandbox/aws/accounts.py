"""The account and the region that the simulated AWS has."""

ACCOUNT = "123456789012"
REGION = "us-west-2"
