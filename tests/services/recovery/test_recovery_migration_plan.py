"""What a migration runs with on other kinds of services, and what is seen of the database's URL."""

from typing import Any

import pytest

from contracts.policy import ChangeScope
from contracts.recovery import ManualTrigger
from services.recovery.domain.migration.encryption import encryption_of
from services.recovery.domain.migration.migration import Migration
from services.recovery.domain.migration.migration_end import explained
from services.recovery.domain.migration.migration_plan import NotPrepared, Prepared, Seen, ServiceFacts, plan_migration
from tests.services.recovery.harness import GOOD, OTHER, START

PASSWORD = "correct-horse-battery"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
LOGS = {"logDriver": "awslogs", "options": {"awslogs-group": "/g", "awslogs-stream-prefix": "p"}}


def container(name: str = "app", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": GOOD, "logConfiguration": LOGS, **more}


def planned(
    *containers: dict[str, Any], service: dict[str, Any] | None = None, facts: ServiceFacts | None = None, **asked: Any
) -> Prepared | NotPrepared:
    body = {"family": "app", "networkMode": "awsvpc", "containerDefinitions": list(containers or [container()])}
    migration = Migration(
        migration_id="m", trigger=ManualTrigger(), command=("up",), minutes=30, asked_at=START, **asked
    )
    there = service or {"launchType": "FARGATE", "networkConfiguration": NETWORK}
    seen = Seen(service=there, facts=facts or ServiceFacts(), live=body, base=body)
    return plan_migration(seen, migration, ChangeScope(), "us-west-2")


def prepared(*containers: dict[str, Any], **asked: Any) -> Prepared:
    found = planned(*containers, **asked)
    assert isinstance(found, Prepared), found
    return found


SPOT = {
    "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
    "networkConfiguration": NETWORK,
}
OWN = {"capacityProviderStrategy": [{"capacityProvider": "mine", "weight": 1}], "networkConfiguration": NETWORK}


@pytest.mark.parametrize(
    ("service", "facts", "where"),
    [
        (SPOT, ServiceFacts(on_spot=True), ("FARGATE", ())),
        (OWN, ServiceFacts(on_fargate=False), ("", ({"capacityProvider": "mine", "weight": 1},))),
        ({"launchType": "EC2", "schedulingStrategy": "DAEMON"}, ServiceFacts(on_fargate=False), ("EC2", ())),
        ({"launchType": "EXTERNAL"}, ServiceFacts(on_fargate=False), ("EXTERNAL", ())),
    ],
)
def test_it_runs_where_the_services_own_tasks_do_and_never_on_spot(
    service: dict[str, Any], facts: ServiceFacts, where: tuple[str, Any]
) -> None:
    plan = prepared(service=service, facts=facts).plan
    assert (plan.task.launch_type, plan.task.providers) == where
    assert any("on demand" in warning for warning in plan.warnings) == facts.on_spot


def test_what_it_needs_comes_along_and_nothing_else() -> None:
    found = prepared(
        container(dependsOn=[{"containerName": "proxy", "condition": "HEALTHY"}]),
        container("proxy", healthCheck={"command": ["x"]}, volumesFrom=[{"sourceContainer": "files"}], essential=True),
        container("files"), container("agent"), container("nginx", portMappings=[{"containerPort": 80}]),
        container="app",
    )  # fmt: skip
    containers = {each["name"]: each for each in found.definition["containerDefinitions"]}
    assert list(containers) == ["app", "proxy", "files"]
    assert [each["essential"] for each in containers.values()] == [True, False, False]
    assert containers["proxy"]["healthCheck"] == {"command": ["x"]}, "the container that migrates waits for it"


def test_a_log_router_comes_along() -> None:
    router = container("router", firelensConfiguration={"type": "fluentbit"})
    found = prepared(container(logConfiguration={"logDriver": "awsfirelens"}), router, container="app")
    assert [each["name"] for each in found.definition["containerDefinitions"]] == ["app", "router"]
    assert found.plan.log is None
    assert any("Its log cannot be read" in warning for warning in found.plan.warnings)


@pytest.mark.parametrize(
    ("containers", "facts", "asked", "chosen"),
    [
        ([container(), container("web")], ServiceFacts(serving=frozenset({"web"})), {}, "web"),
        ([container(essential=False), container("job")], ServiceFacts(), {}, "job"),
        ([container(), container("job")], ServiceFacts(), {"images": {"job": OTHER}}, "job"),
        ([container(), container("job")], ServiceFacts(), {"container": "app"}, "app"),
    ],
)
def test_the_container_that_migrates_is_the_one_that_is_meant(
    containers: list[dict[str, Any]], facts: ServiceFacts, asked: dict[str, Any], chosen: str
) -> None:
    assert prepared(*containers, facts=facts, **asked).plan.task.container == chosen


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (planned(container(), container("job")), "is not clear: name it"),
        (planned(container="other"), "no container other"),
        (planned(images={"app": "ghcr.io/else/app@sha256:" + "a" * 64}), "the policy does not allow it"),
        (planned(images={"app": "app:latest"}), "name it by its digest"),
        (planned(facts=ServiceFacts(deletion="it is being deleted")), "it is being deleted"),
    ],
)
def test_what_is_not_clear_or_not_allowed_is_refused(found: Prepared | NotPrepared, why: str) -> None:
    assert isinstance(found, NotPrepared)
    assert why in found.because


def at(url: str, **more: str) -> dict[str, Any]:
    pairs = {"DATABASE_URL": url} | more
    return {"environment": [{"name": name, "value": value} for name, value in pairs.items()]}


HOST = f"u:{PASSWORD}@db/court"


@pytest.mark.parametrize(
    ("container", "missing", "doubt"),
    [
        (at(f"postgresql+asyncpg://{HOST}?ssl=require"), False, ""),
        (at(f"postgresql+asyncpg://{HOST}?ssl=verify-full"), False, ""),
        (at(f"postgresql+asyncpg://{HOST}"), True, ""),
        (at(f"postgresql+asyncpg://{HOST}?ssl=prefer"), True, ""),
        (at(f"postgresql+asyncpg://{HOST}?sslmode=require"), False, "knows ssl alone"),
        (at(f"postgresql+psycopg://{HOST}?sslmode=require"), False, ""),
        (at(f"postgresql+psycopg2://{HOST}?ssl=require"), False, "knows sslmode alone"),
        (at(f"postgresql+psycopg2://{HOST}?sslmode=disable"), True, ""),
        (at(f"postgres://{HOST}"), True, ""),
        (at(f"postgres://{HOST}?sslmode=require&x=1"), False, ""),
        (at(f"postgres://{HOST}", PGSSLMODE="require"), False, ""),
        (at(f"postgres://{HOST}?sslmode=disable", PGSSLMODE="require"), True, ""),
        (at("postgresql://u:p@localhost:5432/court"), False, ""),
        (at(f"mysql://{HOST}"), False, "cannot be seen"),
        ({"secrets": [{"name": "DATABASE_URL", "valueFrom": "arn"}]}, False, "DATABASE_URL"),
        ({"environmentFiles": [{"type": "s3", "value": "arn"}]}, False, "environment file"),
        ({}, False, "no variable has its URL"),
    ],
)
def test_what_is_seen_of_the_databases_url(container: dict[str, Any], missing: bool, doubt: str) -> None:
    found = encryption_of(container)
    assert bool(found.missing) is missing
    assert doubt in " ".join(found.doubts)
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ('FATAL: no pg_hba.conf entry for host "10.0.1.2", user "u", no encryption', "rds.force_ssl"),
        ("TypeError: connect() got an unexpected keyword argument 'sslmode'", "option of another driver"),
        ("alembic.util.exc.CommandError: Can't locate revision identified by 'abc'", "older than the schema"),
        ("psycopg.errors.LockNotAvailable: canceling statement due to lock timeout", "waited for a lock"),
        ("FAILED: Multiple head revisions are present", "merge them"),
    ],
)
def test_known_lines_of_a_log_are_explained(line: str, meaning: str) -> None:
    assert meaning in explained(["INFO  Running upgrade", line])
    assert explained(["INFO  Running upgrade"]) == ""
