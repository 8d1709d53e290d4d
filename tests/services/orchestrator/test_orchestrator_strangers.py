"""Which keys of CI may ask for deployments of a service, and abort them."""

import pytest

from contracts.envelope import Meta
from contracts.policy import Requests
from services._chassis.signatures import Untrusted
from services.orchestrator.handlers import Handlers
from tests.kit import FakeClock, FakeStore
from tests.services.orchestrator.harness import SERVICE_POLICY, START, TARGET, FixedPolicies, asked, at

META = Meta(id="1", source="pipeline", time=at(START))


def handlers(*keys: str, named: bool = True) -> Handlers:
    policy = SERVICE_POLICY.model_copy(update={"requests": Requests(keys=keys if named else None)})
    return Handlers(FakeStore(), FakeClock(START), FixedPolicies(policy), 300)


@pytest.mark.parametrize("signed_by", ["", "ci", "ci:team-b", "ci:team", "monitor", "team-a", "operators:team-a"])
async def test_who_is_not_named_may_not_ask_for_anything(signed_by: str) -> None:
    with pytest.raises(Untrusted, match="may not ask for deployments"):
        handlers("team-a").refuse_strangers(TARGET, signed_by)


async def test_who_is_named_may() -> None:
    handlers("team-b", "team-a").refuse_strangers(TARGET, "ci:team-a")


async def test_where_nobody_is_named_every_key_will_do_and_where_the_list_is_empty_none() -> None:
    handlers(named=False).refuse_strangers(TARGET, "")
    with pytest.raises(Untrusted):
        handlers().refuse_strangers(TARGET, "ci")


async def test_over_http_no_signature_is_asked_for() -> None:
    assert await handlers("team-a").deploy(asked(), "run", META.time, by_ci=True) is not None
