"""Fargate's prices on demand: the products of AmazonECS in AWS's price list, for Linux in two regions.

Source: https://aws.amazon.com/fargate/pricing/ and the price list of AmazonECS. ARM is 20 % less, in the price list's
own rounding. The list leaves ``operatingSystem`` out where it is Linux.
"""

from dataclasses import dataclass

SERVICE_CODE = "AmazonECS"
SERVICE = "Amazon Elastic Container Service"
UNIT = "hours"
"""The unit of every price and quantity here: an hour of a vCPU, or of a gigabyte."""


@dataclass(frozen=True, slots=True)
class Place:
    """A region, as prices name it."""

    code: str
    location: str
    prefix: str
    """Prefix of the region's usage types."""


@dataclass(frozen=True, slots=True)
class Product:
    """One line of the price list."""

    place: Place
    usage_type: str
    label: str
    hourly: str
    """US dollars, as the list writes it, but for the zeros at its end."""
    attributes: dict[str, str]
    """The attributes that distinguish the product; the others are the same for all products."""


PLACES = {
    place.code: place
    for place in (
        Place("us-east-1", "US East (N. Virginia)", "USE1"),
        Place("us-west-2", "US West (Oregon)", "USW2"),
    )
}


def _arm(of: str) -> dict[str, str]:
    return {"cpuArchitecture": "ARM", "resource": f"per {of} per hour"}


_KINDS: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("Fargate-vCPU-Hours:perCPU", "vCPU", "0.04048", {"cputype": "perCPU"}),
    ("Fargate-GB-Hours", "Memory", "0.004445", {"memorytype": "perGB"}),
    ("Fargate-ARM-vCPU-Hours:perCPU", "ARM - vCPU", "0.03238", _arm("vCPU") | {"cputype": "perCPU"}),
    ("Fargate-ARM-GB-Hours", "ARM - Memory", "0.00356", _arm("GB") | {"memorytype": "perGB"}),
)
PRODUCTS = tuple(
    Product(place, f"{place.prefix}-{kind}", label, hourly, attributes)
    for place in PLACES.values()
    for kind, label, hourly, attributes in _KINDS
)
HOURLY = {product.usage_type: float(product.hourly) for product in PRODUCTS}
"""US dollars an hour, by usage type."""


def usage_types(region: str, *, arm: bool) -> tuple[str, str]:
    """Return the usage types of a vCPU's hours and of a gigabyte's. Raise ``KeyError`` for a region without prices."""
    prefix, middle = PLACES[region].prefix, "ARM-" if arm else ""
    return f"{prefix}-Fargate-{middle}vCPU-Hours:perCPU", f"{prefix}-Fargate-{middle}GB-Hours"
