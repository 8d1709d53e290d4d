"""How hard the properties are tried: ``HYPOTHESIS_PROFILE=long`` searches for an hour what the suite skims."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite",
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
settings.register_profile("long", settings.get_profile("suite"), max_examples=20_000, stateful_step_count=100)
PROFILE = settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))
