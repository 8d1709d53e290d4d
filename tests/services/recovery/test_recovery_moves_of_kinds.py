"""Who has changed a service is known of services of every kind, on the simulated AWS."""

import pytest

from contracts.base import Target
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER
from sandbox.scenarios.incident import Incident
from sandbox.scenarios.model import Scenario
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services.recovery.adapters.ecs import AwsEcs
from services.recovery.adapters.movers import AwsMovers
from services.recovery.domain.moves.mover import By
from services.recovery.trace import Trace
from tests.chaos.kinds import KINDS, service_name, world
from tests.kit import FakeStore, WorldClock


@pytest.mark.slow
async def test_version_and_count_of_each_kind_have_their_movers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One simulated AWS has them all: a start of its own for each would take most of the time."""
    scenario = Scenario.model_validate({"name": "kinds", **world(list(KINDS))})
    now = [1_768_228_200.0]
    with SimulatedAws(clock=lambda: now[0], scenario=scenario) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        connection = AwsConnection(REGION)
        calls, clock = Aws(connection, "recovery"), WorldClock(aws)
        trace = Trace(AwsEcs(calls), AwsMovers(calls), FakeStore(), clock)
        for number, kind in enumerate(KINDS, 1):
            aws.happen(Incident(deploys="healthy", by="terraform", service=service_name(number)))
            if kind != "daemon":
                aws.happen(Incident(scale_to=9, by="person", service=service_name(number)))
        aws.step(900)
        for number, kind in enumerate(KINDS, 1):
            target = Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=service_name(number))
            found = await trace.traced(target, clock.now() - 3600)
            assert found is not None
            # an autoscaler may pull the count back into its limits
            moved = {(move.what, move.mover.by) for move in found.moves} - {("count", By.AUTOSCALER)}
            assert moved == {("version", By.TOOL)} | (set() if kind == "daemon" else {("count", By.PERSON)}), kind
            service = await trace.ecs.service(target)
            assert service is not None
            seen = await trace.look(target, service)
            assert (seen.desired is None) == (kind == "daemon"), kind
            assert seen.deployment_id, kind
        connection.close()
