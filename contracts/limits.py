"""The thresholds of the requirements (docs/requirements.md), each in one place. Per cent, seconds, minutes, counts."""

HEALTHY_TASKS = 1
"""Alerting Rules: fewer healthy tasks are an unavailable service."""
CRITICAL_ERROR_RATE = 10
"""Alerting Rules, per cent."""
CRITICAL_RESPONSE_TIME = 5
"""Alerting Rules, seconds, of the 95th percentile."""
DATABASE_ERRORS = 5
"""Alerting Rules name "connection failures". Five in the window, since a pool that renews a connection may see one."""
CRITICAL_MINUTES = 2
"""The window of a critical rule: a single bad minute rolls nothing back."""

WARNING_CPU = 80
"""Alerting Rules, per cent."""
WARNING_MEMORY = 85
"""Alerting Rules, per cent."""
WARNING_ERROR_RATE = 5
"""Alerting Rules, per cent."""
WARNING_RESPONSE_TIME = 2
"""Alerting Rules and the health service's ``performance_threshold_ms``; seconds, of the 95th percentile."""
WARNING_MINUTES = 5
"""Alerting Rules: the delay of warnings."""

MINIMUM_HEALTH_SCORE = 70
"""Phase 1."""
REQUIRED_PASS_PERCENT = 90
"""Phase 3: the least share of tests that pass."""

LEAST_REQUESTS = 20
"""Surefoot's own choice, requests in a window: fewer are no rate, and their 95th percentile is their maximum."""

ERROR_RATE = "100 * ({target_5xx} + {balancer_5xx}) / ({requests} + {balancer_5xx})"
"""The error rate, per cent, as CloudWatch metric math. Requests are those that reached a target (``RequestCount``):
what the load balancer had to answer itself with a 5xx is a request that failed, too."""


def error_rate(requests: float, target_5xx: float, balancer_5xx: float) -> float | None:
    """Return what ``ERROR_RATE`` computes, per cent; None where there was no request."""
    asked = requests + balancer_5xx
    return 100 * (target_5xx + balancer_5xx) / asked if asked else None
