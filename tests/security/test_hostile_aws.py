"""A whole installation whose AWS repeats secrets and controls in each of its texts: none of it comes out anywhere."""

import io
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import httpx2
import pytest

from contracts.deployment import Outcome
from contracts.envelope import from_message
from sandbox.aws.workloads import EVERYWHERE
from services._chassis import assembly
from services._chassis.aws import Aws
from services._chassis.compact import expand, expand_answer
from services._chassis.http import PREFIX, create_http
from services._chassis.service import Service
from surefoot.events import as_data, as_line
from surefoot.rehearsal import system
from tests.rehearsal.installation import Installation, installed, policy
from tests.security.test_log_lines import written
from tests.security.test_secrets import AWS_KEY, MARK, SECRETS
from tests.security.test_terminal import FORGED, HOSTILE, assert_harmless

__all__ = ["written"]
TEXTS = {
    "stoppedReason", "reason", "message", "rolloutStateReason", "statusReason", "Description", "StateReason", "Reason",
}  # fmt: skip
"""Names of AWS's free texts."""
ADDED = " ".join([HOSTILE, *(text for kind, text in SECRETS.items() if "PEM" not in kind)])
LEAKS = (MARK, AWS_KEY, "\x1b", "\u202e", "\\u001b")


def worse(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {
            name: f"{value} {ADDED}" if name in TEXTS and isinstance(value, str) else worse(value)
            for name, value in answer.items()
        }
    return [worse(entry) for entry in answer] if isinstance(answer, list) else answer


async def deploy(installation: Installation, services: list[Service]) -> tuple[Outcome, list[str]]:
    """Deploy what crashes; return the outcome, and what each route that looks answers about it."""
    ended = await installation.deploy(EVERYWHERE[0], image="crash-loop")
    shown = []
    for service in services:
        http = create_http(nothing_missing)
        http.include_router(service.router, prefix=PREFIX)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=http), base_url="http://here") as web:
            for path, methods in http.openapi()["paths"].items():
                place = {"cluster_name": EVERYWHERE[0].cluster, "service_name": EVERYWHERE[0].service}
                named = path.format(**place, operation_id="x", run_id="x", issue_id="x")
                shown += [(await web.get(named, params=place)).text] if "get" in methods else []
    return ended[EVERYWHERE[0]].outcome, shown


def texts_in(held: Any) -> Iterator[str]:
    if isinstance(held, str):
        yield held
    elif isinstance(held, bytes):
        yield from kept_texts(held)
    elif isinstance(held, dict):
        for entry in held.items():
            yield from texts_in(entry)
    elif isinstance(held, Iterable):
        for entry in held:
            yield from texts_in(entry)


def kept_texts(held: bytes) -> Iterator[str]:
    """Yield the texts of what is kept compressed, an answer for instance, or as it is."""
    try:
        fields = expand_answer(held)
    except zlib.error:
        yield expand(held).decode(errors="replace")
    else:
        yield from (value.decode() for value in fields.values())


async def nothing_missing() -> dict[str, str]:
    return {}


@pytest.mark.slow
def test_nothing_of_what_aws_repeats_comes_out(monkeypatch: pytest.MonkeyPatch, written: io.StringIO) -> None:
    in_thread, seen = Aws._in_thread, []

    async def hostile(self: Aws, call: Any) -> Any:
        answer = worse(await in_thread(self, call))
        seen.append(MARK in str(answer))
        return answer

    monkeypatch.setattr(Aws, "_in_thread", hostile)
    services: list[Service] = []

    def create_service(*given: Any) -> Service:
        services.append(assembly.create_service(*given))
        return services[-1]

    monkeypatch.setattr(system, "create_service", create_service)
    with installed() as installation:
        outcome, answers = installation.play(policy(), lambda running: deploy(running, services))
        held, _ = installation.system.redis.copy()
        records = [record for topic in installation.system.bus.topics.values() for record in topic]
    assert outcome is Outcome.ROLLED_BACK, "what AWS says decides nothing"
    assert any(seen), "AWS has said it"
    events = [from_message(record.headers, record.value) for record in records]
    assert any("***" in (record.value or b"").decode() for record in records), "it is quoted, without what is secret"
    places = {
        "state": " ".join(texts_in(held)),
        "events": " ".join((record.value or b"").decode() for record in records),
        "headers": repr([record.headers for record in records]),
        "answers": " ".join(answers),
        "logs": written.getvalue(),
    }
    for where, text in places.items():
        assert text, where
        for leak in LEAKS:
            assert leak not in text, (where, text[max(0, text.find(leak) - 200) :][:400])
    for event in events:
        assert_harmless(as_line(event))
        assert_harmless(as_data(event))
    for line in written.getvalue().splitlines():
        assert not json.loads(line)["event"].startswith(FORGED)
    assert len(answers) > 10
