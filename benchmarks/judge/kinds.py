"""The kinds of services: each as a scenario's world has it, and the numbers that the rule takes from it."""

from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from benchmarks.judge.facts import Service
from sandbox.aws.ecs import targets, tasks
from sandbox.aws.ecs.task_lifecycle import PROVEN_SECONDS
from sandbox.scenarios.balancing import USUAL_TARGET_GROUP

Body = dict[str, Any]

GRACE = 30.0
"""The health check grace period of the service that the sandbox comes with."""
GENEROUS = 120.0
"""The grace period of services whose people know that they start slowly now and then."""
HOST = "api.example.com"
"""The name by which users call what has a name."""
FORWARD = {"target_groups": [{"target_group": USUAL_TARGET_GROUP}]}
NOT_HERE = {"type": "fixed-response", "status_code": "404", "message_body": "not here"}
NEIGHBOUR: Body = {
    "service_name": "Neighbour",
    "desired_count": 1,
    "scaling": None,
    "load_balancers": [{"target_group": "neighbour"}],
}
TO_NEIGHBOUR = {"target_groups": [{"target_group": "neighbour"}]}
NEIGHBOUR_DOWN_AT = 60
"""Seconds after the request at which it loses its tasks."""


def patience(grace: float) -> float:
    """Return for how many seconds of RUNNING ECS lets a task fail the sandbox's health check."""
    return max(targets.UNHEALTHY_AFTER * targets.INTERVAL + tasks.NOTICE_SECONDS, grace)


@dataclass(frozen=True, slots=True)
class Kind:
    facts: Service
    world: Body = field(default_factory=dict)
    """The scenario's ``world``; the service's settings are under ``service``."""
    image: Body = field(default_factory=dict)
    """What all of its images have in common."""
    policy: Body = field(default_factory=dict)
    """What its entry in the policy says."""
    scales_to: int | None = 5
    """What an autoscaler sets; None where nothing scales it."""
    asks_health: bool = True
    """Whether a health check asks the application how it is."""


def _balanced(grace: float = GENEROUS, **others: Any) -> Service:
    """Return the numbers of a service behind an application load balancer."""
    proven = targets.HEALTHY_AFTER * targets.INTERVAL
    return replace(Service(patience=patience(grace), proven_after=proven), **others)


def _service(grace: float = GENEROUS, **others: Any) -> Body:
    return {"health_check_grace_period_seconds": int(grace), **others}


def _listeners(*listeners: Body, **others: Any) -> list[Body]:
    return [{"listeners": list(listeners), **others}]


def _only(condition: Body, default: Body = NOT_HERE) -> Body:
    """Return a listener by which the service is reached under one condition alone; by default others get a 404."""
    return {
        "default_actions": [default],
        "rules": [{"priority": 10, "conditions": [condition], "actions": [FORWARD]}],
    }


def _scheduled(name: str, hour: int, low: int, high: int) -> Body:
    schedule = f"cron(0 {hour} * * ? *)"
    return {"scheduled_action_name": name, "schedule": schedule, "min_capacity": low, "max_capacity": high}


UNBALANCED = Service(counted=False, reachable=False, patience=inf, proven_after=PROVEN_SECONDS)

KINDS: dict[str, Kind] = {
    "guide": Kind(_balanced(GRACE)),
    "path-rule": Kind(
        # the policy's tests know nothing of the prefix, so that they do not meet the application
        _balanced(reachable=False),
        {
            "service": _service(),
            "target_groups": [{"health_check_path": "/orders/health"}],
            "load_balancers": _listeners(_only({"path_pattern": ["/orders/*"]})),
        },
        {"mounted_at": "/orders"},
    ),
    "host-rule": Kind(
        _balanced(),
        # a neighbour loses its tasks, so that the load balancer answers its users with 503: no fault of the service
        {
            "service": _service(),
            "other_services": [NEIGHBOUR],
            "target_groups": [{"name": USUAL_TARGET_GROUP}, {"name": "neighbour"}],
            "load_balancers": _listeners(_only({"host_header": [HOST]}, TO_NEIGHBOUR), names=[HOST]),
            "happenings": [{"at": NEIGHBOUR_DOWN_AT, "service": NEIGHBOUR["service_name"], "scale_to": 0}],
        },
    ),
    "https-only": Kind(
        _balanced(),
        {
            "service": _service(),
            "load_balancers": _listeners({"protocol": "HTTPS", "port": 443, "certificate": HOST}, names=[HOST]),
        },
        policy={"application": {"url": f"https://{HOST}"}},
    ),
    "tcp": Kind(
        _balanced(counted=False, reachable=False),
        {
            "service": _service(),
            "target_groups": [{"protocol": "TCP"}],
            "load_balancers": _listeners(
                {"protocol": "TCP", "port": 1883, "default_actions": [FORWARD]}, type="network"
            ),
        },
        {"speaks": "TCP"},
        asks_health=False,
    ),
    "two-target-groups": Kind(
        _balanced(),
        {
            "service": _service(load_balancers=[{"target_group": USUAL_TARGET_GROUP}, {"target_group": "partners"}]),
            "target_groups": [{"name": USUAL_TARGET_GROUP}, {"name": "partners"}],
            "load_balancers": [
                *_listeners({}),
                *_listeners(
                    {"port": 8443, "default_actions": [{"target_groups": [{"target_group": "partners"}]}]},
                    name="partners",
                ),
            ],
        },
    ),
    "internal": Kind(
        _balanced(reachable=False),
        {"service": _service(), "load_balancers": _listeners({}, scheme="internal")},
    ),
    "worker": Kind(UNBALANCED, {"service": {"load_balancers": []}}, asks_health=False),
    "scheduled": Kind(
        _balanced(GRACE, tasks=0),
        {
            "service": {
                "desired_count": 0,
                "scaling": {
                    "min_capacity": 0,
                    "scheduled_actions": [
                        _scheduled("night", 0, 0, 0),
                        _scheduled("morning", 7, 3, 6),
                    ],
                },
            },
            "hour": 2,
        },
        scales_to=None,
    ),
    "stop-before-start": Kind(
        _balanced(GENEROUS, tasks=1),
        {
            "service": _service(
                desired_count=1,
                deployment_configuration={"minimum_healthy_percent": 0, "maximum_percent": 100},
            )
        },
        scales_to=None,
    ),
    "slow-starter": Kind(_balanced(400), {"service": _service(400)}, {"start_seconds": 150}),
    "long-draining": Kind(_balanced(GRACE), {"target_groups": [{"deregistration_delay": 900}]}),
    "many-tasks": Kind(
        _balanced(tasks=20),
        {
            "service": _service(
                desired_count=20,
                deployment_configuration={"minimum_healthy_percent": 100, "maximum_percent": 110},
                scaling={"max_capacity": 40},
            )
        },
        scales_to=24,
    ),
    "daemon": Kind(
        UNBALANCED,
        {
            "service": {
                "scheduling_strategy": "DAEMON",
                "launch_type": "EC2",
                "load_balancers": [],
                "task_definition": {"network_mode": "bridge"},
            }
        },
        scales_to=None,
        asks_health=False,
    ),
    "spot": Kind(
        _balanced(),
        {
            "service": _service(capacity_provider_strategy=[{"capacity_provider": "FARGATE_SPOT"}]),
            "happenings": [{"at": 300, "interrupts": 1}],
        },
    ),
}
