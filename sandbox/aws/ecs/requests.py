"""Validates requests by ECS's own service model, as botocore has it."""

from functools import cache
from typing import Any

import botocore.session
from botocore.model import Shape
from botocore.validate import ParamValidator

from sandbox.aws.errors import AwsFault

CHECKED = frozenset({"RegisterTaskDefinition", "CreateService", "UpdateService", "RunTask"})
"""Operations whose bodies people write by hand. Bodies of others come from clients that have checked them."""


def check(operation: str, request: Any) -> None:
    """Raise ``AwsFault`` for a body that ECS could not read, each fault named."""
    if not isinstance(request, dict):
        kind = "an array" if isinstance(request, list) else type(request).__name__
        raise AwsFault("SerializationException", f"Start of structure or map found where not expected: {kind}")
    if operation not in CHECKED:
        return
    report = ParamValidator().validate(request, _input(operation)).generate_report()
    # what a client does not know it does not send; AWS itself passes over it
    faults = [line for line in report.splitlines() if not line.startswith("Unknown parameter")]
    if faults:
        raise AwsFault("InvalidParameterException", "; ".join(faults))


@cache
def _input(operation: str) -> Shape:
    model = botocore.session.get_session().get_service_model("ecs")
    shape = model.operation_model(operation).input_shape
    assert shape is not None  # noqa: S101  each of them takes something
    return shape
