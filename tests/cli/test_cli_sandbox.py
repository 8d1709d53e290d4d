"""``surefoot sandbox``: scenarios listed, checked and rehearsed; harm at a sandbox that runs."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest
import structlog
from botocore.exceptions import ClientError

from sandbox.aws.accounts import ACCOUNT, SECOND_ACCOUNT
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, SERVICE
from sandbox.aws.workloads import EVERYWHERE, EXTERNAL_ID, PAYMENTS, ROLE
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, console
from surefoot.progress import Progress
from surefoot.rehearsal import show
from surefoot.sandbox import app
from tests.policy.loading import policies

pytest_plugins = ["sandbox.fixtures"]

Run = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A rehearsal sets up the logs of its process, which here is that of other tests, too."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    def quiet(*_: object) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))

    # the product's own would bind the logs of this process, once and for all, to what is captured now
    monkeypatch.setattr(show, "configure_logs", quiet)

    def run(*command: str) -> tuple[int, str]:
        code = app(command, exit_on_error=False, result_action="return_value")
        return int(code), capsys.readouterr().out

    yield run
    structlog.reset_defaults()


def test_those_that_ship_are_listed(run: Run) -> None:
    code, said = run("scenarios")
    assert code == Exit.SUCCEEDED
    assert "noisy " in said
    listed = orjson.loads(run("scenarios", "--json")[1])
    assert {"name": "slow", "outcome": "rolled_back"}.items() <= next(
        one for one in listed if one["name"] == "slow"
    ).items()


def test_a_rehearsal_tells_its_end_and_whether_it_was_expected(run: Run, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("teaches: Arm is not what runs.\nimage: {architecture: arm64}\nexpect: {outcome: blocked}\n")
    code, said = run("run", str(mine), "--json")
    told = orjson.loads(said)
    assert (code, told["outcome"], told["deployments"], told["faults"]) == (Exit.SUCCEEDED, "blocked", 0, [])
    mine.write_text(mine.read_text().replace("blocked", "succeeded"))
    code, said = run("run", str(mine))
    assert code == Exit.FAILED
    assert said.strip() == "mine: blocked, otherwise than expected"


def test_a_file_is_checked(run: Run, tmp_path: Path) -> None:
    fine = tmp_path / "fine.yaml"
    fine.write_text("teaches: Nothing.\nexpect: {outcome: succeeded}\n")
    assert run("check", str(fine)) == (Exit.SUCCEEDED, f"{fine}: fine\n")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("teaches: Nothing.\nexpect: {outcome: maybe}\n")
    code, said = run("check", str(wrong), str(fine))
    assert code == Exit.USAGE
    assert said.startswith(f"{wrong}:2: expect.outcome: ")
    assert said.endswith(f"{fine}: fine\n")


def test_what_aws_says_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    says = "arn:aws:secretsmanager:us-west-2:123456789012:secret:court-case/jwt [/subnet-1]"
    Progress(console).show({"phases": [], "status": "finished", "outcome": "failed", "seconds": 1, "reason": says})
    assert "secret:court-case/jwt [/subnet-1]" in capsys.readouterr().err, "no emoji, no markup"
    told = {"phases": [], "status": "finished", "outcome": "failed", "seconds": 1, "reason": says}
    Progress(console, verbose=True).show(told)
    assert says in capsys.readouterr().err


def test_something_happens_at_a_sandbox_that_runs(run: Run, simulated_aws: SimulatedAws) -> None:
    code, said = run("happen", "--database", "away", "--metrics-late", "90")
    assert (code, said) == (Exit.SUCCEEDED, "it has happened: database away, metrics_late 90.0\n")
    assert simulated_aws.world.conditions.metrics_late == 90
    database = boto3.client("rds").describe_db_instances()["DBInstances"][0]
    assert database["DBInstanceStatus"] == "failed"
    run("happen", "--scale-to", "5")
    (service,) = boto3.client("ecs").describe_services(cluster=CLUSTER, services=[SERVICE])["services"]
    assert service["desiredCount"] == 5
    with pytest.raises(CannotDo, match=r"there is no image of-mine; there are 1\.0"):
        run("happen", "--deploys", "of-mine")
    with pytest.raises(CannotDo, match="name what is to happen: database, "):
        run("happen")


def test_a_bad_day_is_begun_seen_and_ended(run: Run, simulated_aws: SimulatedAws) -> None:
    ecs = boto3.client("ecs")
    code, said = run("harm", "deny", "--service", "ecs", "--operation", "ListClusters", "--json")
    assert (code, orjson.loads(said)) == (Exit.SUCCEEDED, {"id": 1})
    with pytest.raises(ClientError, match="AccessDenied"):
        ecs.list_clusters()
    assert "rule 1: deny service=ecs operation=ListClusters: 1 calls met" in run("harms")[1]
    assert run("heal", "1") == (Exit.SUCCEEDED, "rule 1: deny service=ecs operation=ListClusters: 1 calls met\n")
    with pytest.raises(CannotDo, match="there is nothing here"):
        run("heal", "1")
    with pytest.raises(CannotDo, match="no signature names 'esc'"):
        run("harm", "deny", "--service", "esc")
    assert ecs.list_clusters()["clusterArns"]
    ecs.update_service(cluster="CourtCaseCluster", service="BackendService", forceNewDeployment=True)
    said = run("calls", "--changing")[1]
    assert "200 ecs UpdateService CourtCaseCluster/BackendService by user/sandbox" in said
    assert "→ ecs-svc/" in said
    assert simulated_aws.calls.calls(changing=True)


def test_a_bad_day_and_an_incident_can_be_those_of_one_account(run: Run, simulated_aws: SimulatedAws) -> None:
    run("harm", "throttle", "--service", "ecs", "--account", "210987654321")
    assert boto3.client("ecs").list_clusters()["clusterArns"]
    assert "account=210987654321: 0 calls met" in run("harms")[1]
    with pytest.raises(CannotDo, match="String should match pattern"):
        run("harm", "throttle", "--account", "payments")
    with pytest.raises(CannotDo, match="nothing runs in 210987654321/us-west-2; there is 123456789012/us-west-2"):
        run("happen", "--database", "away", "--account", "210987654321")
    boto3.client("sqs", region_name="eu-south-1").list_queues()
    assert "sqs ListQueues in 123456789012/eu-south-1 by user/sandbox" in " ".join(run("calls")[1].split())
    assert run("happen", "--database", "away", "--region", "us-west-2")[0] == Exit.SUCCEEDED
    assert simulated_aws.world.conditions.database is False


def test_the_sandbox_comes_with_a_policy_for_all_its_services(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The printed environment is a shell's; where the policy lies stands in a comment."""
    asked: dict[str, Any] = {}

    @contextlib.contextmanager
    def stack(directory: Path, **options: Any) -> Iterator[dict[str, str]]:
        directory.mkdir(parents=True)
        asked.update(options)
        yield {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sandbox.stack.sandbox", stack)
    monkeypatch.setattr("sandbox.watch.stay", lambda *_: None)
    code, said = run("up", "--session-seconds", "30")
    first, second = said.splitlines()
    assert (code, first) == (Exit.SUCCEEDED, "export AWS_ENDPOINT_URL=http://127.0.0.1:4566")
    assert second.startswith("# 3 services, in two accounts and two regions: export SUREFOOT_POLICY=")
    assert asked["session_seconds"] == 30
    known = policies(Path(second.partition("SUREFOOT_POLICY=")[2]).read_bytes(), own_account=ACCOUNT)
    assert {(target.account, target.region, target.cluster) for target in known.all()} == {
        (*workload.place, workload.cluster) for workload in EVERYWHERE
    }
    access = known.accounts[SECOND_ACCOUNT]
    assert (access.role, access.external_id) == (f"arn:aws:iam::{SECOND_ACCOUNT}:role/{ROLE}", EXTERNAL_ID)
    payments = known.of(known.find(PAYMENTS.cluster, PAYMENTS.service))
    assert payments.application.url == f"http://127.0.0.1:{asked['ports'].elsewhere[0]}"
    assert payments.application.headers == {"X-Probe-Token": PAYMENTS.header_secret}
    assert payments.monitoring.database == PAYMENTS.database


def test_what_a_scenario_describes_can_stand_there_instead(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    @contextlib.contextmanager
    def stack(directory: Path, **options: Any) -> Iterator[dict[str, str]]:
        directory.mkdir(parents=True)
        asked.update(options)
        yield {"CLUSTER_NAME": "CourtCaseCluster"}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sandbox.stack.sandbox", stack)
    monkeypatch.setattr("sandbox.watch.stay", lambda *_: None)
    file = tmp_path / "mine.yaml"
    file.write_text("teaches: x\nworld: {service: {cluster: shop, service_name: web}}\nexpect: {outcome: succeeded}\n")
    assert run("up", "--scenario", str(file)) == (
        Exit.SUCCEEDED,
        "export CLUSTER_NAME=shop\nexport SERVICE_NAME=web\n",
    )
    assert (asked["scenario"], asked["ports"].elsewhere) == (file, None)
    file.write_text("teaches: x\nworld: {service: {clutser: shop}}\nexpect: {outcome: succeeded}\n")
    with pytest.raises(CannotDo, match=r"2: world\.service\.clutser: there is no such part"):
        run("up", "--scenario", str(file))
