"""One call to AWS, in the port's words: an answer, or ``Unavailable`` with the operation and AWS's error code."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from services._chassis.aws import Aws
from services.diagnostics.ports import Unavailable


async def ask(aws: Aws, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
    """Call. AWS's message is left out: it may quote what was sent."""
    try:
        return await aws.call(service, operation, **parameters)
    except (ClientError, BotoCoreError) as error:
        raise refused(service, operation, error) from error


async def ask_pages(aws: Aws, service: str, operation: str, key: str, **parameters: Any) -> list[Any]:
    """Call for all pages of ``key``."""
    try:
        return await aws.pages(service, operation, key, **parameters)
    except (ClientError, BotoCoreError) as error:
        raise refused(service, operation, error) from error


def refused(service: str, operation: str, error: ClientError | BotoCoreError) -> Unavailable:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    return Unavailable(f"{service}.{operation}: {code}")
