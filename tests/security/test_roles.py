"""Role by route, over all seven services: what each route needs, and that nobody with less is served."""

from typing import Any

import httpx2
import pytest
from fastapi import APIRouter

from contracts.access import ROLES, Role
from contracts.policy import Callers, ServicePolicy
from contracts.topics import SERVICES, Party
from services._chassis.access.permit import About, declared, require_roles
from services._chassis.access.served import Served
from services._chassis.http import PREFIX
from services._policy.changes import Change, Difference
from tests.kit import JSON, FakePolicies
from tests.security.access import OURS, THEIRS, Keys, bearer, client, guarded, installed, of_role, request_of
from tests.security.test_fuzz import NOW

V, D, P, O, A = Role.VIEWER, Role.DEPLOYER, Role.APPROVER, Role.OPERATOR, Role.ADMIN  # noqa: E741  as the table has them
TABLE = {
    Party.ORCHESTRATOR: {
        "POST /deployment-orchestration/orchestrate/{cluster_name}/{service_name}": D,
        "GET /deployment-orchestration/status/{cluster_name}/{service_name}": V,
        "POST /deployment-orchestration/abort/{cluster_name}/{service_name}": O,
        "POST /deployment-orchestration/pause/{cluster_name}/{service_name}": O,
        "POST /deployment-orchestration/resume/{cluster_name}/{service_name}": O,
        "POST /deployment-orchestration/approve/{cluster_name}/{service_name}": P,
        "POST /deployment-orchestration/reject/{cluster_name}/{service_name}": P,
        "POST /deployment-orchestration/release/{cluster_name}/{service_name}": P,
        "GET /deployment-orchestration/holds/{cluster_name}/{service_name}": V,
        "GET /deployment-orchestration/deployments": V,
        "GET /deployment-orchestration/overview": V,
    },
    Party.MONITOR: {
        "GET /monitoring/dashboard/{cluster_name}/{service_name}": V,
        "POST /monitoring/dashboard/{cluster_name}/{service_name}": D,
        "POST /monitoring/alerts/setup": D,
        "GET /monitoring/metrics/{cluster_name}/{service_name}": V,
        "GET /monitoring/operations/{operation_id}": V,
    },
    Party.HEALTH: {"GET /health/score": V, "GET /health/comprehensive": V, "GET /health/database": V},
    Party.DIAGNOSTICS: {
        "GET /diagnostics/run-diagnostics": V,
        "GET /diagnostics/issues": V,
        "GET /diagnostics/troubleshooting/{issue_id}": V,
    },
    Party.OPTIMIZER: {
        "GET /resource-optimization/analyze/{cluster_name}/{service_name}": V,
        "GET /resource-optimization/recommendations/{cluster_name}/{service_name}": V,
    },
    Party.VALIDATOR: {
        "POST /deployment-validation/validate/{cluster_name}/{service_name}": D,
        "POST /deployment-validation/smoke-test/{cluster_name}/{service_name}": D,
        "GET /deployment-validation/operations/{operation_id}": V,
    },
    Party.RECOVERY: {
        "POST /disaster-recovery/snapshot/{cluster_name}/{service_name}": D,
        "GET /disaster-recovery/snapshots/{cluster_name}/{service_name}": V,
        "GET /disaster-recovery/snapshots/{cluster_name}/{service_name}/diff": V,
        "GET /disaster-recovery/readiness/{cluster_name}/{service_name}": V,
        "POST /disaster-recovery/readiness/{cluster_name}/{service_name}/elsewhere": O,
        "GET /disaster-recovery/drift/{cluster_name}/{service_name}": V,
        "GET /disaster-recovery/moves/{cluster_name}/{service_name}": V,
        "GET /disaster-recovery/decisions/{cluster_name}/{service_name}": V,
        "POST /disaster-recovery/rollback/{cluster_name}/{service_name}": O,
        "POST /disaster-recovery/emergency-scale/{cluster_name}/{service_name}": O,
        "POST /disaster-recovery/emergency-scale/{cluster_name}/{service_name}/end": O,
        "GET /disaster-recovery/emergency-scale/{cluster_name}/{service_name}": V,
        "POST /disaster-recovery/migrate/{cluster_name}/{service_name}": O,
        "GET /disaster-recovery/migrations/{cluster_name}/{service_name}": V,
        "POST /disaster-recovery/recreate/{cluster_name}/{service_name}": O,
        "POST /disaster-recovery/drill/{cluster_name}/{service_name}": O,
        "POST /disaster-recovery/drill/{cluster_name}/{service_name}/end": O,
        "GET /disaster-recovery/drill/{cluster_name}/{service_name}": V,
        "POST /disaster-recovery/recreate/{cluster_name}/{service_name}/approve": P,
        "POST /disaster-recovery/recreate/{cluster_name}/{service_name}/reject": P,
        "GET /disaster-recovery/recreate/{cluster_name}/{service_name}": V,
        "GET /disaster-recovery/operations/{operation_id}": V,
    },
}
OF_EACH_PROCESS = {"GET /policy": V, "POST /policy/reload": A}
ROUTES = [
    (party, *route.split(" "), role)
    for party in SERVICES
    for route, role in {**TABLE.get(party, {}), **OF_EACH_PROCESS}.items()
]
IDS = [f"{party}:{method} {path}" for party, method, path, _ in ROUTES]


@pytest.mark.parametrize("party", SERVICES)
def test_each_route_declares_its_role_and_no_other_route_is_there(party: Party) -> None:
    found = {
        f"{method} {route.path}": need and need.role
        for router in installed(party).routers
        for route, need in declared(router)
        for method in route.methods or ()
    }
    assert found == TABLE.get(party, {}) | OF_EACH_PROCESS


def test_a_route_without_a_role_stops_the_start() -> None:
    router, outer = APIRouter(), APIRouter()
    router.add_api_route("/open", lambda: "to everybody")
    outer.include_router(router)
    for made in (router, outer):
        with pytest.raises(AssertionError, match="/open declares no role"):
            require_roles(made)


def about(party: Party, method: str, path: str) -> About:
    for router in installed(party).routers:
        for route, need in declared(router):
            if route.path == path and method in (route.methods or ()) and need is not None:
                return need.about
    raise AssertionError(path)


async def statuses(party: Party, method: str, path: str, policies: FakePolicies) -> list[httpx2.Response]:
    """Ask as ``key:caller`` about our service, and about the other one."""
    keys = Keys()
    http, _ = guarded(party, keys, policies)
    headers = bearer(await keys.create("caller"))
    async with client(http) as web:
        asked = [request_of(PREFIX + path, method, target) for target in (OURS, THEIRS)]
        return [await web.request(method, url, headers=headers, **given) for url, given in asked]


@pytest.mark.parametrize(("party", "method", "path", "needed"), ROUTES, ids=IDS)
async def test_a_role_for_one_service(party: Party, method: str, path: str, needed: Role) -> None:
    """It opens the routes of that service which need it or less, and none of another service."""
    kind = about(party, method, path)
    for held in ROLES:
        ours, theirs = await statuses(party, method, path, of_role(held))
        may = held.includes(needed) and kind is not About.INSTALLATION
        assert (ours.status_code != 403) is may, (held, ours.text)
        if not may:
            assert ours.json()["role"] == needed
            challenge = ours.headers["www-authenticate"]
            assert challenge.startswith('Bearer realm="surefoot", error="insufficient_scope"')
            assert f'scope="{needed}"' in challenge
        elif kind is About.ONE_SERVICE and "operation_id" not in path:
            assert theirs.status_code == 403


@pytest.mark.parametrize(("party", "method", "path", "needed"), ROUTES, ids=IDS)
async def test_a_role_of_the_defaults_opens_it_everywhere(party: Party, method: str, path: str, needed: Role) -> None:
    policies = FakePolicies()
    policies.everywhere = Callers.model_validate({f"{needed}s": ("key:caller",)})
    assert 403 not in {answer.status_code for answer in await statuses(party, method, path, policies)}


@pytest.mark.parametrize(("party", "method", "path", "needed"), ROUTES, ids=IDS)
async def test_who_has_no_role_gets_nowhere(party: Party, method: str, path: str, needed: Role) -> None:
    answers = await statuses(party, method, path, FakePolicies(ServicePolicy(target=OURS)))
    assert {answer.status_code for answer in answers} == {403}


@pytest.mark.parametrize(("party", "method", "path", "needed"), ROUTES, ids=IDS)
async def test_nothing_is_served_without_a_credential(party: Party, method: str, path: str, needed: Role) -> None:
    keys = Keys()
    await keys.create("caller", Role.ADMIN)
    http, decisions = guarded(party, keys, served=Served.LOOPBACK)
    url, given = request_of(PREFIX + path, method, OURS)
    for address in ("10.0.0.9", "127.0.0.1"):
        async with client(http, address) as web:
            for headers in (JSON, {}, bearer("sfk_wrong")):
                answer = await web.request(method, url, headers=headers, **given)
                assert answer.status_code == 401
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.headers["www-authenticate"].startswith('Bearer realm="surefoot"')
    assert {decision.allowed for decision in decisions} == {False}


@pytest.mark.parametrize("path", ["/docs", "/nowhere", "/deployment-orchestration/"])
async def test_what_has_no_route_of_its_own_needs_a_caller(path: str) -> None:
    keys = Keys()
    http, _ = guarded(keys=keys)
    async with client(http) as web:
        assert (await web.get(PREFIX + path)).status_code == 401
        assert (await web.get(PREFIX + path, headers=bearer(await keys.create("caller")))).status_code in {200, 404}


@pytest.mark.parametrize(
    ("asked", "least"),
    [
        ({"overrides": [{"gate": "health_score", "reason": "this is the fix"}]}, Role.APPROVER),
        ({"deployment_config": {"minimum_health_score": 0}}, Role.APPROVER),
        ({"deployment_config": {"baking_minutes": 0.1}}, Role.APPROVER),
        ({"deployment_config": {"enable_auto_recovery": False}}, Role.OPERATOR),
        ({"on_conflict": "supersede"}, Role.OPERATOR),
        ({"on_conflict": "refuse"}, Role.DEPLOYER),
        ({"deployment_config": {"minimum_health_score": 99, "enable_auto_recovery": True}}, Role.DEPLOYER),
        ({"migration": {}}, D),
        ({"migration": {"command": ["alembic", "upgrade", "head"], "compatible": True}}, D),
        ({"migration": {"command": ["printenv"]}}, O),
    ],
)
async def test_less_than_the_policy_demands_needs_more_than_a_deployer(asked: dict[str, Any], least: Role) -> None:
    body = {"image": "web:1", **asked}
    answers = {}
    for role in ROLES:
        keys = Keys()
        http, _ = guarded(Party.ORCHESTRATOR, keys, of_role(role))
        async with client(http) as web:
            url = f"{PREFIX}/deployment-orchestration/orchestrate/Main/api"
            answers[role] = (await web.post(url, json=body, headers=bearer(await keys.create("caller")))).status_code
    assert answers == {role: 202 if role.includes(least) else 403 for role in ROLES}


async def test_the_actor_is_who_was_proven_and_a_body_s_word_is_apart() -> None:
    keys = Keys()
    http, decisions = guarded(Party.ORCHESTRATOR, keys, of_role(Role.DEPLOYER))
    headers = bearer(await keys.create("caller"))
    url = f"{PREFIX}/deployment-orchestration/orchestrate/Main/api"
    actors = []
    async with client(http) as web:
        for given in ({}, {"actor": "key:caller"}, {"actor": "alice"}, {"actor": "key:admin"}):
            run_id = (await web.post(url, json={"image": "web:1", **given}, headers=headers)).json()["run_id"]
            query = {"run_id": run_id}
            shown = await web.get(f"{PREFIX}/deployment-orchestration/status/Main/api", params=query, headers=headers)
            actors.append(shown.json()["actor"])
    assert actors == ["key:caller", "key:caller", "key:caller for alice", "key:caller for key:admin"]
    assert {(decision.caller.name, decision.allowed) for decision in decisions if decision.caller} == {
        ("key:caller", True)
    }


async def test_an_unproven_caller_is_not_taken_for_a_proven_one() -> None:
    http, _ = guarded(served=Served.LOOPBACK)
    async with client(http, "127.0.0.1") as web:
        url = f"{PREFIX}/deployment-orchestration/orchestrate/Main/api"
        run_id = (await web.post(url, json={"image": "web:1", "actor": "key:admin"})).json()["run_id"]
        shown = await web.get(f"{PREFIX}/deployment-orchestration/status/Main/api", params={"run_id": run_id})
    assert shown.json()["actor"] == "loopback for key:admin"


async def test_a_list_leaves_out_what_the_caller_may_not_see() -> None:
    keys = Keys()
    http, _ = guarded(Party.ORCHESTRATOR, keys, of_role(Role.DEPLOYER))
    ours, admin = bearer(await keys.create("caller")), bearer(await keys.create("admin", Role.ADMIN))
    async with client(http) as web:
        for service in ("api", "other"):
            url = f"{PREFIX}/deployment-orchestration/orchestrate/Main/{service}"
            assert (await web.post(url, json={"image": "web:1"}, headers=admin)).status_code == 202
        seen = {}
        for name, headers in (("ours", ours), ("admin", admin)):
            for path, kind in (("deployments", "deployments"), ("overview", "services")):
                answer = await web.get(f"{PREFIX}/deployment-orchestration/{path}", headers=headers)
                seen[name, path] = {row["target"]["service"] for row in answer.json()[kind]}
    assert seen == {
        ("ours", "deployments"): {"api"},
        ("ours", "overview"): {"api"},
        ("admin", "deployments"): {"api", "other"},
        ("admin", "overview"): {"api", "other"},
    }


async def test_of_a_change_of_the_policy_a_viewer_of_one_service_sees_what_concerns_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = Keys()
    http, _ = guarded(Party.MONITOR, keys, of_role(Role.VIEWER))
    told = {OURS: "ours: 1 → 2", THEIRS: "theirs: 1 → 2", None: "account 210987654321 role: a → b"}
    differences = tuple(Difference(target, line) for target, line in told.items())
    change = Change(NOW, "a" * 64, "b" * 64, "v1", differences, and_more=False)
    monkeypatch.setattr(installed(Party.MONITOR).source, "last_change", change)
    seen = []
    async with client(http) as web:
        for key in (await keys.create("caller"), await keys.create("all", Role.VIEWER)):
            answer = await web.get(f"{PREFIX}/policy", headers=bearer(key))
            seen.append(answer.json()["last_change"]["changes"])
    assert seen == [["ours: 1 → 2"], list(told.values())]


async def test_what_is_wrong_with_the_policy_is_told_to_who_may_look_at_the_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault = "policy.yaml:7: services.theirs names account 210987654321 twice"
    keys = Keys()
    http, _ = guarded(Party.MONITOR, keys, of_role(Role.VIEWER))
    source, readiness = installed(Party.MONITOR).source, installed(Party.MONITOR).readiness
    monkeypatch.setattr(source, "_fault", fault)
    monkeypatch.setitem(readiness.facts, "policy", source.status)
    monkeypatch.setattr(readiness, "_degraded", {})
    readiness.degrade("policy", f"the policy in force stays in force: {fault}")
    told = []
    async with client(http) as web:
        for key in (await keys.create("caller"), await keys.create("all", Role.VIEWER)):
            ready, policy = [
                (await web.get(path, headers=bearer(key))).json() for path in ("/readyz", f"{PREFIX}/policy")
            ]
            told.append([fault in text for text in (str(ready), ready["policy"]["fault"], policy["fault"])])
            assert ready["degraded"]
    assert told == [[False] * 3, [True] * 3]


async def test_a_key_without_any_role_learns_what_a_stranger_does() -> None:
    keys = Keys()
    http, _ = guarded(keys=keys, policies=of_role(Role.VIEWER))
    nobody, viewer = bearer(await keys.create("nobody")), bearer(await keys.create("caller"))
    async with client(http) as web:
        assert (await web.get("/readyz", headers=nobody)).json() == (await web.get("/readyz")).json()
        described = [(await web.get(f"{PREFIX}/openapi.json", headers=headers)) for headers in ({}, nobody, viewer)]
    assert [answer.status_code for answer in described] == [401, 403, 200]
    assert "paths" in described[2].json()


async def test_an_operation_is_shown_to_those_who_may_see_its_service() -> None:
    keys = Keys()
    http, decisions = guarded(Party.VALIDATOR, keys, of_role(Role.VIEWER))
    viewer, admin = bearer(await keys.create("caller")), bearer(await keys.create("admin", Role.ADMIN))
    answers = []
    async with client(http) as web:
        for service in ("api", "other"):
            url = f"{PREFIX}/deployment-validation/validate/Main/{service}"
            begun = (await web.post(url, headers=admin)).json()
            answers.append(await web.get(begun["url"], headers=viewer))
        unknown = await web.get(f"{PREFIX}/deployment-validation/operations/unknown", headers=viewer)
    assert [answer.status_code for answer in answers] == [200, 404]
    id_ = begun["operation_id"]
    assert answers[1].text.replace(id_, "unknown") == unknown.text, "nor does the refusal say that there is one"
    assert [(refused.target, refused.allowed) for refused in decisions if refused.target == THEIRS][-1] == (
        THEIRS,
        False,
    )


async def test_the_same_idempotency_key_of_another_caller_is_not_the_same_request() -> None:
    keys = Keys()
    http, _ = guarded(keys=keys)
    url = f"{PREFIX}/deployment-orchestration/orchestrate/Main/api"
    answers = []
    async with client(http) as web:
        for name in ("first", "second"):
            headers = {**bearer(await keys.create(name, Role.DEPLOYER)), "Idempotency-Key": "1"}
            answers.append((await web.post(url, json={"image": "web:1"}, headers=headers)).status_code)
    assert answers == [202, 422]
