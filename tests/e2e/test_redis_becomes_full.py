"""Redis becomes full in the middle of a deployment that goes wrong: it ends as under the virtual clock, and nothing new
is begun.
"""

import httpx2
import pytest
from redis import Redis

from sandbox.scenarios.load import shipped
from surefoot.client import Surefoot
from surefoot.rehearsal.judge import mismatches
from surefoot.wait import end_of
from tests.e2e.harness import CLUSTER, LONGEST, PLACE, REPOSITORY, SERVICE, changes, described, rehearsed, until

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("e2e"), pytest.mark.slow]


def test_a_run_that_is_under_way_is_rolled_back(surefoot: dict[str, str]) -> None:
    api, before, begun = Surefoot(surefoot["SUREFOOT_URL"]), described(surefoot)["taskDefinition"], changes(surefoot)
    run_id = api.orchestrate(PLACE, {"image": f"{REPOSITORY}:crash-loop", "actor": "tests"})
    until(lambda: described(surefoot)["taskDefinition"] != before, LONGEST, "nothing was changed")
    with Redis.from_url(surefoot["REDIS_URL"]) as redis:
        redis.config_set("maxmemory", 1)
        try:
            url = f"{surefoot['SUREFOOT_URL']}/api/v1/deployment-orchestration/orchestrate/{CLUSTER}/{SERVICE}"
            refused = httpx2.post(url, json={"image": f"{REPOSITORY}:healthy", "actor": "tests"}, timeout=20)
            run = end_of(api, PLACE, run_id, timeout=LONGEST)
        finally:
            redis.config_set("maxmemory", 0)
    assert run["outcome"] == "rolled_back", run
    assert mismatches(rehearsed(surefoot, run, begun), shipped()["crash-loop"].expect) == [], run
    assert described(surefoot)["taskDefinition"] == before
    assert len(changes(surefoot)) > len(begun)
    assert (refused.status_code, "Redis is full" in refused.json()["detail"]) == (503, True)
