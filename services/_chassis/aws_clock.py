"""Compares this machine's clock with AWS's, by which AWS checks signatures."""

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

REPORTED_SECONDS = 30.0
"""Seconds of offset that are reported: signatures are still accepted, but times of AWS and of this machine differ."""
WRONG_SECONDS = 240.0
"""Seconds of offset that count as a fault: from five minutes on AWS refuses every signature (IAM user guide, "Elements
of an AWS API request signature")."""


def offset_of(answer: Mapping[str, Any], now: Callable[[], float] = time.time) -> float | None:
    """Return by how many seconds this machine is ahead of AWS, as the ``Date`` of an answer or error says.

    It is a whole second of AWS's and as old as the answer's way. None where the answer does not say.
    """
    said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return None if not said else now() - parsedate_to_datetime(str(said)).timestamp()
    except ValueError:
        return None


def clock_fault(offset: float | None) -> str:
    """Return what is wrong with the clock, as a sentence without its full stop; nothing where it is right."""
    if offset is None or abs(offset) <= REPORTED_SECONDS:
        return ""
    said = f"this machine's clock is {abs(offset):.0f} seconds {'ahead of' if offset > 0 else 'behind'} AWS's"
    return f"{said}, so that AWS refuses its signatures: set the clock" if abs(offset) > WRONG_SECONDS else said
