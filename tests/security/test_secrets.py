"""No secret that somebody wrote into a text comes out: each source of texts, each kind of secret, each way out."""

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from botocore.exceptions import ClientError

from contracts.base import Target
from contracts.catalogue import CATALOGUE
from contracts.deployment import DeploymentFinished, DeployRequested, ImageChange, Outcome, Override
from contracts.diagnostics import Issue, IssueFound
from contracts.envelope import Envelope, Meta, from_message
from contracts.gates import Gate
from contracts.operations import Operation
from services._aws.body import Body
from services._aws.ecs_deployments import EcsDeployment, ServiceDeployment
from services._aws.ecs_task import EcsTask
from services._aws.errors import AwsError, changing
from services._chassis.dead_letters import letter_of
from services._chassis.problems import problem_answer
from services._chassis.readiness import Readiness
from services._chassis.reasons import sentence_of
from services._chassis.startup import why_of
from services._chassis.telemetry import _clean_line
from services._policy.faults import Fault, Place
from services.diagnostics.domain.crashes import CRASH_LOOP
from services.orchestrator.domain.run_parts import Request
from services.orchestrator.domain.view import RunView
from surefoot import output
from surefoot.exit_codes import Exit
from tests.security.keys import message_of, record_of

MARK = "hunter2HUNTER2"
JUNK = "0aB1cD2eF3gH4iJ5kL6mN7"
SECRETS = {
    "AWS key id": "AKIAHUNTER2HUNTER2R2",
    "AWS secret key": f"aws_secret_access_key={MARK}/K7MDENG",
    "password": f"password={MARK}",
    "password in JSON": f'{{"db_password": "{MARK} goes on", "n": 1}}',
    "password in escaped JSON": f'{{\\"password\\": \\"{MARK}\\"}}',
    "password as an option": f"--db-password {MARK} --verbose",
    "password in a URL": f"postgresql://app:{MARK}@db:5432/x",
    "password with @ and /": f"redis://:a@b/{MARK}@cache:6379/0",
    "password in an image": f"app:{MARK}@registry.example.com/team/app:1",
    "bearer token": f"Authorization: Bearer {MARK}",
    "bare bearer token": f"sent Bearer {MARK}",
    "basic auth": f"Proxy-Authorization: Basic {MARK}==",
    "JSON Web Token": f"eyJhbGciOiJIUzI1NiJ9.{MARK}.{MARK}",
    "PEM": f"-----BEGIN RSA PRIVATE KEY-----\n{MARK}\n{MARK}\n-----END RSA PRIVATE KEY-----",
    "PEM that is cut": f"-----BEGIN PRIVATE KEY-----\n{MARK}",
    "GitHub": f"ghp_{MARK}{JUNK}",
    "GitHub, fine-grained": f"github_pat_{MARK}{JUNK}",
    "GitLab": f"glpat-{MARK}{JUNK}",
    "Slack": f"xoxb-1234567890-{MARK}",
    "Slack's webhook": f"https://hooks.slack.com/services/T000/B000/{MARK}",
    "Stripe": f"sk_live_{MARK}{JUNK}",
    "signed URL": f"https://bucket.s3.amazonaws.com/x?X-Amz-Signature={MARK}&X-Amz-Security-Token={MARK}",
    "cookie": f"Cookie: session={MARK}",
    "API key": f"x-api-key: {MARK}",
}
"""Kind → a text that holds it; ``MARK`` is the part that must not come out."""
AWS_KEY = SECRETS["AWS key id"]
TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")
NOW = datetime(2026, 11, 27, tzinfo=UTC)
RECORD = record_of(message_of(CATALOGUE[0], next(iter(CATALOGUE[0].writers))))


def refused(text: str, secrets: tuple[str, ...] | None = ()) -> str:
    answer: Any = {"Error": {"Code": "AccessDeniedException", "Message": text}}
    try:
        with changing("ECS", "UpdateService", secrets=secrets):
            raise ClientError(answer, "UpdateService")
    except AwsError as error:
        return str(error)


def task(**body: Any) -> EcsTask:
    return EcsTask(Body(body))


SOURCES: dict[str, Callable[[str], str]] = {
    "a task's reason": lambda text: task(stoppedReason=text).reason,
    "a container's reason": lambda text: task(containers=[{"name": "a", "reason": text}]).containers[0].reason,
    "a deployment's reason": lambda text: EcsDeployment(Body(rolloutStateReason=text)).reason,
    "a service deployment's reason": lambda text: ServiceDeployment(Body(statusReason=text)).reason,
    "AWS's refusal": refused,
    "AWS's refusal of what was sent": lambda text: refused(text, ("zzzz",)),
    "AWS's error": lambda text: str(AwsError(text)),
    "an error on the way to Redis": lambda text: why_of(ConnectionError(text)),
    "an error of somebody else": lambda text: sentence_of(RuntimeError(text)),
    "a policy": lambda text: str(Fault(Place("p.yaml"), "rules", text)),
    "what a dead letter quotes": lambda text: letter_of(RECORD, "recovery", "invalid", text).detail,
    "as it came": lambda text: text,
}


def published(event: Any) -> str:
    message = Envelope(Meta("i", "surefoot/recovery", NOW), event).to_message()
    from_message(message.headers, message.value)
    return message.value.decode()


def logged(text: str) -> str:
    """Return the line that is logged, by the formatter of production."""
    return str(structlog.processors.JSONRenderer()(None, "", _clean_line(None, "", {"event": text, "why": [text]})))


def noted(text: str) -> str:
    written = io.StringIO()
    with redirect_stderr(written):
        output.fail(text, Exit.FAILED)
    return written.getvalue()


def readiness(text: str) -> str:
    found = Readiness()
    found.report("aws", text)
    return json.dumps(found.degraded)


def issue(text: str) -> Issue:
    return CRASH_LOOP.issue(TARGET, "critical", [text])


FINISHED = {"target": TARGET, "run_id": "r", "outcome": Outcome.FAILED, "seconds": 1}
WAYS_OUT: dict[str, Callable[[str], str]] = {
    "event": lambda text: published(DeploymentFinished(**FINISHED, reason=f"It failed: {text}")),
    "event of an issue": lambda text: published(IssueFound(target=TARGET, issue=issue(text))),
    "request that is passed on": lambda text: published(
        DeployRequested(
            target=TARGET,
            change=ImageChange(reference=text[:512]),
            actor="anna",
            reason=text,
            overrides=(Override(gate="critical_issues", reason=text),),
        )
    ),
    "state": lambda text: Request(
        run_id="r",
        target=TARGET,
        change=ImageChange(reference=text[:512]),
        actor="a",
        reason=text,
        asked_at=1,
        expires_at=2,
    ).model_dump_json(),
    "gate": lambda text: Gate.true("g", False, detail=text).model_dump_json(),
    "operation": lambda text: Operation(operation_id="o", kind="k", target=TARGET).failed(text, NOW).model_dump_json(),
    "status": lambda text: RunView(
        run_id="r",
        target=TARGET,
        status="running",
        actor="a",
        change=ImageChange(reference="x"),
        phases=(),
        progress=text,
    ).model_dump_json(),
    "problem": lambda text: bytes(
        problem_answer(502, "AWS did not answer", text, errors=[{"field": text}]).body
    ).decode(),
    "readyz": readiness,
    "log": logged,
    "command line": noted,
}


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("source", SOURCES)
def test_no_secret_of_any_source_comes_out(source: str, kind: str) -> None:
    text = SOURCES[source](f"cannot start: {SECRETS[kind]} (it was tried thrice)")
    for way, out in WAYS_OUT.items():
        shown = out(text)
        assert shown, way
        assert MARK not in shown, (way, shown)
        assert AWS_KEY not in shown, (way, shown)


@pytest.mark.parametrize("kind", SECRETS)
def test_a_text_is_cut_after_its_secrets_are_gone(kind: str) -> None:
    """What remains of a token at the edge of a cut would not look like one any more."""
    for before in range(270, 305):
        for shown in (
            refused("x" * before + " " + SECRETS[kind]),
            why_of(OSError("x" * (before - 100) + " " + SECRETS[kind])),
        ):
            assert not any(part in shown for part in (MARK, MARK[:7], AWS_KEY[:8])), shown


def test_texts_without_secrets_stay_as_they_are() -> None:
    for text in (
        "arn:aws:ecs:us-west-2:123456789012:service/c/s was stopped by arn:aws:iam::123456789012:role/deploy",
        "123456789012.dkr.ecr.us-west-2.amazonaws.com/backend:1.2@sha256:" + "0123456789abcdef" * 4,
        "(service c) (task 0123456789abcdef0123456789abcdef) failed container health checks.",
        "the secret arn:aws:secretsmanager:us-west-2:123456789012:secret:court/jwt-AbCdEf is there",
        "error_rate: 12 %, must be <= 5 % (40 samples), commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "anna@example.com asked for it: token missing, https://example.com:8443/health?x=1 answered 503",
    ):
        assert json.loads(WAYS_OUT["gate"](text))["detail"] == text
