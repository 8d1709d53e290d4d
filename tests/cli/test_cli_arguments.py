"""What the command line takes, and what it refuses before anything begins, each in a sentence of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from surefoot import cli
from surefoot.arguments import Place, Requester, user_name
from surefoot.deploy import Asked
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo

CLUSTER = "arn:aws:ecs:us-west-2:123456789012:cluster/shop"
SERVICE = "arn:aws:ecs:us-west-2:123456789012:service/shop/web"
IMAGE = ("deploy", "shop", "web", "--image", "web:2")


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """What gets past the checks finds no Surefoot, and exits 1 instead of 2."""
    monkeypatch.setenv("SUREFOOT_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("SUREFOOT_CONFIG", raising=False)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (("delpoy", "a", "b"), "there is no command 'delpoy'; did you mean deploy?"),
        (("sandbox", "scenarois"), "; did you mean scenarios?"),
        (("deploy", "shop"), "SERVICE is missing"),
        (("deploy", "a", "b", "--imag", "x"), "there is no option --imag; did you mean --image?"),
        ((*IMAGE, "--image", "web:3"), "--image may stand there only once"),
        (("deploy", "a", "b", "--image"), "--image takes a value"),
        ((*IMAGE, "more"), "'more' is more than the command takes"),
        ((*IMAGE, "--timeout", "-5"), "--timeout: it must be greater than 0, not -5"),
        ((*IMAGE, "--timeout", "inf"), "--timeout: it must be greater than 0, not inf"),
        (("wait", "a", "b", "--timeout", "nan"), "--timeout: it must be greater than 0, not nan"),
        (("wait", "a", "b", "--timeout", "soon"), "--timeout"),
        ((*IMAGE, "--on-conflict", "maybe"), '"queue", "refuse"'),
        ((*IMAGE, "--override", "architecture="), "an override is GATE=REASON"),
        (
            (*IMAGE, "--override", "architecure=x"),
            "no gate 'architecure' before the change; did you mean architecture?",
        ),
        ((*IMAGE, "--override", "foo=x"), "existing_alarms_quiet, alarms_quiet_since_migration, check_alarms,"),
        ((*IMAGE, "--override", "target_exists=x"), "The gate target_exists cannot be overridden"),
        (("deploy", "a", "b", "--task-definition", "./t.json"), "not a file: register it with `aws ecs register"),
        (("deploy", "a", "b", "--task-definition", "t.yml"), "--cli-input-yaml file://t.yml"),
        (("deploy", "a", "b", "--task-definition", "file://t"), "--cli-input-json file://t`"),
        (("deploy", "a", "back.end", "--image", "x"), "'back.end' is no name of a service"),
        (("status", "a/b", "c"), "'a/b' is no name of a cluster"),
        (("up", "--port", "99999"), "a port is a number from 0 to 65535, not 99999"),
        (("up", "--speed", "0"), "--speed: it must be greater than 0"),
        (("rollback", "a", "b"), "exactly one of --snapshot and --latest-proven"),
        (("rollback", "a", "b", "--snapshot", "x", "--latest-proven"), "exactly one of --snapshot and --latest-proven"),
        (("events", "deployment.event.v1"), "; did you mean deployment.events.v1?"),
        (("sandbox", "run", "nosy"), "there is no scenario nosy; did you mean noisy?"),
        (("sandbox", "happen", "--metrics-late", "-4"), "--metrics-late: Input should be greater than or equal to 0"),
        (("sandbox", "harm", "deny", "--share", "2"), "--share: it must be greater than 0 and at most 1, not 2"),
        (("sandbox", "harm", "deny", "--calls", "0"), "--calls: it must be greater than 0"),
        (("sandbox", "calls", "--after", "-1"), "--after: it must not be less than 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    capsys: pytest.CaptureFixture[str], tokens: tuple[str, ...], said: str
) -> None:
    assert cli.run(tokens) == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.startswith("surefoot: ")
    assert len(err.splitlines()) == 1


def test_arns_are_names_with_a_place() -> None:
    place = Place.of(CLUSTER, SERVICE)
    assert place == Place("shop", "web", "123456789012", "us-west-2")
    assert place.query == {"account": "123456789012", "region": "us-west-2"}
    assert Place.of("shop", SERVICE.replace("shop/", "")) == place, "the older form of ARN"
    assert Place.of("shop", "web").query == {}
    assert str(place) == "shop web"


@pytest.mark.parametrize(
    ("cluster", "service", "said"),
    [
        (CLUSTER, SERVICE.replace("shop/", "shop2/"), "the service is in the cluster shop2"),
        (CLUSTER, SERVICE.replace("west", "east"), "the service is in the region us-east-2"),
        (CLUSTER.replace("1234", "4321"), SERVICE, "the service is in the account 123456789012"),
        (SERVICE, "web", "is no ARN of an ECS cluster"),
        ("shop", "arn:aws:s3:::bucket", "is no ARN of an ECS service"),
    ],
)
def test_arns_that_contradict_are_refused(cluster: str, service: str, said: str) -> None:
    with pytest.raises(CannotDo, match=said):
        Place.of(cluster, service)


def test_a_request_is_what_the_api_takes() -> None:
    asked = Asked.of(
        "web=shop/web:2", None, False, ["health_score=this is = the fix"], "refuse", Requester("ada", "release 7")
    )
    assert asked.body == {
        "image": "web=shop/web:2",
        "overrides": [{"gate": "health_score", "reason": "this is = the fix"}],
        "on_conflict": "refuse",
        "actor": "ada",
        "reason": "release 7",
    }


def test_who_asks_is_the_user_of_the_machine_unless_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    assert user_name() == "ada"

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert user_name() == "surefoot cli"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "which cannot be read: No such file"),
        ("aws_region: [us", ":1: no YAML"),
        ("- a\n- b\n", "must name a file of NAME: value lines"),
        ("CLUSTER_NAME: c\nclustr_name: x\n", ":2: there is no setting clustr_name; did you mean cluster_name?"),
        ("cluster_name: c\nCLUSTER_NAME: d\n", ":2: CLUSTER_NAME stands here twice"),
        ("aws_region: Oregon\n", "wrong settings: AWS_REGION"),
    ],
)
@pytest.mark.parametrize(
    "tokens",
    [("up",), ("demo",), ("sandbox", "run", "healthy"), ("events",), ("dead-letters", "list"), ("keys", "list")],
)
def test_a_configuration_that_cannot_be_used_is_told_before_anything_starts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tokens: tuple[str, ...],
    text: str | None,
    said: str,
) -> None:
    file = tmp_path / "surefoot.yaml"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("SUREFOOT_CONFIG", str(file))
    assert cli.run(tokens) == Exit.USAGE
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def imported(*tokens: str) -> set[str]:
    """The packages that a command has imported when it is over."""
    script = (
        "import sys; sys.argv = ['surefoot', *sys.argv[1:]]\n"
        "from surefoot.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: print('', *(name for name in sys.modules), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script, *tokens], capture_output=True, text=True, check=True)
    return set(ended.stderr.split())


def test_the_version_is_said_without_an_import_that_takes_time() -> None:
    assert not imported("--version") & {"cyclopts", "rich", "httpx2", "pydantic", "orjson", "yaml", "asyncio", "boto3"}


def test_scenarios_are_listed_without_aws_and_without_the_services() -> None:
    slow = {"boto3", "botocore", "moto", "aiokafka", "faststream", "fastapi", "redis", "httpx2", "lupa", "sandbox.aws"}
    assert not imported("sandbox", "scenarios") & slow
