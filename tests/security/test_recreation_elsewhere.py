"""What is secret in a snapshot goes where a service is made: whoever asks needs his role for both services."""

import pytest

from contracts.policy import Callers, ServicePolicy
from contracts.topics import Party
from services._chassis.http import PREFIX
from tests.kit import FakePolicies
from tests.security.access import OURS, Keys, bearer, client, guarded

ELSEWHERE = OURS.model_copy(update={"cluster": "Vault"})
URL = f"{PREFIX}/disaster-recovery/recreate/{OURS.cluster}/{OURS.service}"


@pytest.mark.parametrize(
    ("there", "refused"), [({}, True), ({"viewers": ("key:caller",)}, True), ({"operators": ("key:caller",)}, False)]
)
async def test_the_snapshot_of_another_service_needs_the_role_for_that_as_well(
    there: dict[str, tuple[str, ...]], *, refused: bool
) -> None:
    keys, here = Keys(), Callers.model_validate({"operators": ("key:caller",)})
    policies = FakePolicies(
        ServicePolicy(target=OURS, access=here), ServicePolicy(target=ELSEWHERE, access=Callers.model_validate(there))
    )
    http, decisions = guarded(Party.RECOVERY, keys, policies)
    async with client(http) as web:
        headers = bearer(await keys.create("caller"))
        answer = await web.post(URL, headers=headers, json={"from_cluster": ELSEWHERE.cluster})
        assert (answer.status_code == 403) is refused, answer.text
        assert decisions[-1].target == ELSEWHERE
        own = await web.post(URL, headers=headers, json={"from_cluster": OURS.cluster})
        assert own.status_code != 403
