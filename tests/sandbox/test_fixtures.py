"""The sandbox in somebody else's tests."""

import socket

import boto3
import pytest

pytest_plugins = ["pytester"]

CONFTEST = 'pytest_plugins = ["sandbox.fixtures"]\n'
TEST = """
import boto3

def test_a_service_is_there_and_time_passes(simulated_aws):
    ecs = boto3.client("ecs")
    def service():
        return ecs.describe_services(cluster="CourtCaseCluster", services=["BackendService"])["services"][0]
    assert service()["runningCount"] == 3
    ecs.update_service(cluster="CourtCaseCluster", service="BackendService", desiredCount=4)
    simulated_aws.step(120)
    assert service()["runningCount"] == 4
    open("port", "w").write(simulated_aws.endpoint.rpartition(":")[2])
"""


def test_it_is_a_fixture_that_leaves_nothing_behind(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TEST)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
    port = int((pytester.path / "port").read_text())
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_default_session_of_an_earlier_test_is_not_used(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    earlier = boto3.Session(aws_access_key_id="earlier", aws_secret_access_key="earlier")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", earlier)
    aws = request.getfixturevalue("simulated_aws")
    boto3.client("ecs").list_clusters()
    assert {call.caller.rpartition(":")[2] for call in aws.calls.calls()} == {"user/sandbox"}
