"""The operations of AWS's services, from botocore's models."""

from collections.abc import Mapping
from functools import cache

_MODELS = {"monitoring": "cloudwatch", "elasticloadbalancing": "elbv2"}
"""Service as signatures name it → as botocore names it, where they differ."""


@cache
def operations_of(service: str) -> frozenset[str]:
    """The operations of a service, which is named as signatures name it."""
    # only scenarios with harm need botocore, which takes longer to import than a listing may take
    import botocore.session  # noqa: PLC0415

    loader = botocore.session.get_session().get_component("data_loader")
    model: Mapping[str, Mapping[str, object]] = loader.load_service_model(_MODELS.get(service, service), "service-2")
    return frozenset(model["operations"])
