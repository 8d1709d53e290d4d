"""What the API's description says is true: no request gets an answer that is not described, whether it fits or not."""

import asyncio
from collections.abc import Sequence
from typing import Any

import hypothesis.strategies as st
import pytest
import schemathesis
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response
from hypothesis import given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from contracts.catalogue import read_by
from contracts.publish import examples_of
from contracts.topics import SERVICES, Party
from tests.security.test_fuzz import LONG, Installation, application, run

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
HONEST = {502, 503, 504}
"""AWS, Redis or another replica has to answer first."""
KNOWN = {"cluster_name": "c", "service_name": "s"}
"""The service that the published examples are about."""


def with_records(party: Party) -> Installation:
    """Return a service that has read all published examples, so that there is something to show."""
    installation = Installation(party)

    async def read() -> None:
        for entry in read_by(party):
            for example in examples_of(entry.type):
                await installation.take(entry, example.encode())

    run(read)
    return installation


@st.composite
def cases(draw: st.DrawFn, operations: Sequence[Any]) -> Any:
    """Draw a request for one of the routes, every second one about the service that is known."""
    operation = draw(st.sampled_from(operations))
    case = draw(operation.as_strategy(generation_mode=draw(st.sampled_from(GenerationMode))))
    if draw(st.booleans()):
        case.path_parameters = {**case.path_parameters, **{k: KNOWN[k] for k in KNOWN if k in case.path_parameters}}
    return case


async def send(http: FastAPI, case: Any) -> Response:
    asked = case.as_transport_kwargs(base_url="http://localhost")
    transport = ASGITransport(app=http, client=("127.0.0.1", 1), raise_app_exceptions=False)
    async with AsyncClient(transport=transport, cookies=asked.pop("cookies", None)) as client:
        return await client.request(content=asked.pop("data", None), **asked)


@pytest.mark.slow
@pytest.mark.parametrize("party", SERVICES)
def test_no_answer_is_one_that_is_not_described(party: Party) -> None:
    http = application(with_records(party))
    description = schemathesis.openapi.from_dict(http.openapi())
    operations = [found.ok() for found in description.get_all_operations()]  # type: ignore[union-attr]  # or it fails
    shown: set[int] = set()

    @settings(LONG, max_examples=LONG.max_examples // 2)
    @given(cases(operations))
    def fuzz(case: Any) -> None:
        answer = asyncio.run(send(http, case))
        shown.add(answer.status_code)
        assert answer.status_code < 500 or answer.status_code in HONEST, answer.text
        case.validate_response(answer, checks=CHECKS)

    fuzz()
    assert {200, 422} <= shown, "both answers that show something and refusals were looked at"
