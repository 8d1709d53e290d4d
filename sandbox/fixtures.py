"""Fixtures for your own tests: ``pytest_plugins = ["sandbox.fixtures"]`` in your ``conftest.py``."""

from collections.abc import Iterator

import boto3
import pytest

from sandbox.aws.server import SimulatedAws


@pytest.fixture
def simulated_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedAws]:
    """A simulated AWS on loopback, which the environment points boto3 at.

    ``simulated_aws.step(seconds)`` lets time pass; ``endpoint`` and ``application_url`` say where it is. Nothing of it
    is left when the test ends.
    """
    with SimulatedAws() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "sandbox")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
        # boto3's default session keeps the credentials that it was made with, by an earlier test perhaps
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        yield aws
