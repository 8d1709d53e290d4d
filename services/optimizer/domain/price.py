"""What Fargate costs on demand.

Source: https://aws.amazon.com/fargate/pricing/. Savings plans and Spot cost less, but their prices cannot be seen from
outside.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from contracts.optimizer import FargateSize

AS_OF = date(2025, 1, 1)
"""When the table was last compared with its source."""
HOURS_A_MONTH = 730.0
"""365 days / 12, as AWS's own calculator has it."""
ARM_DISCOUNT = 0.20
"""The share of the price on x86 that ARM saves."""

Architecture = Literal["X86_64", "ARM64"]


@dataclass(frozen=True, slots=True)
class Rate:
    """US dollars an hour, Linux on x86."""

    vcpu: float
    gigabyte: float


RATES = {
    "us-east-1": Rate(0.04048, 0.004445),
    "us-west-2": Rate(0.04048, 0.004445),
}


def hourly(size: FargateSize, region: str, architecture: Architecture) -> float | None:
    """Return what one task costs an hour in US dollars; None for a region that the table does not have."""
    rate = RATES.get(region)
    if rate is None:
        return None
    price = size.cpu / 1024 * rate.vcpu + size.memory / 1024 * rate.gigabyte
    return price * (1 - ARM_DISCOUNT) if architecture == "ARM64" else price


def monthly_saving(
    current: FargateSize, recommended: FargateSize, tasks: int, region: str, architecture: Architecture
) -> float | None:
    """Return US dollars a month for all tasks, negative when it costs more; None when the price is not known."""
    before, after = hourly(current, region, architecture), hourly(recommended, region, architecture)
    if before is None or after is None:
        return None
    return round((before - after) * HOURS_A_MONTH * tasks, 2)
