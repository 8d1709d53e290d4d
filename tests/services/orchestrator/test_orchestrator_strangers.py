"""Which keys of CI may ask for deployments of a service, and abort them."""

from dataclasses import replace

import pytest

from contracts.deployment import AbortRequested
from contracts.envelope import Meta
from contracts.policy import Requests
from services._chassis.signatures import Untrusted
from services.orchestrator.handlers import Handlers
from tests.kit import FakeClock, FakeStore
from tests.services.orchestrator.harness import SERVICE_POLICY, START, TARGET, FixedPolicies, asked, at

META = Meta(id="1", source="pipeline", time=at(START))
ABORT = AbortRequested(target=TARGET, run_id="r", actor="ada")


def handlers(*keys: str, named: bool = True) -> Handlers:
    policy = SERVICE_POLICY.model_copy(update={"requests": Requests(keys=keys if named else None)})
    return Handlers(FakeStore(), FakeClock(START), FixedPolicies(policy), 300)


@pytest.mark.parametrize("signed_by", ["", "ci", "ci:team-b", "ci:team", "monitor", "team-a", "operators:team-a"])
async def test_who_is_not_named_may_neither_ask_nor_abort(signed_by: str) -> None:
    meta = replace(META, signed_by=signed_by)
    with pytest.raises(Untrusted, match="may not ask for deployments"):
        await handlers("team-a").on_request(asked(), meta)
    with pytest.raises(Untrusted, match="may not ask for deployments"):
        await handlers("team-a").on_abort(ABORT, meta)


async def test_who_is_named_may() -> None:
    meta = replace(META, signed_by="ci:team-a")
    assert await handlers("team-b", "team-a").on_request(asked(), meta) is not None
    assert await handlers("team-b", "team-a").on_abort(ABORT, meta) is not None


async def test_where_nobody_is_named_every_key_will_do_and_where_the_list_is_empty_none() -> None:
    assert await handlers(named=False).on_request(asked(), META) is not None
    with pytest.raises(Untrusted):
        await handlers().on_request(asked(), replace(META, signed_by="ci"))


async def test_over_http_no_signature_is_asked_for() -> None:
    assert await handlers("team-a").deploy(asked(), "run", META.time) is not None
