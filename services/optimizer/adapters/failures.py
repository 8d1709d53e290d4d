"""What AWS refused or could not answer becomes a sentence of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from services.optimizer.ports import Unavailable


def code(error: Exception) -> str:
    """AWS's code (``AccessDeniedException``), or the kind of failure where there was no answer."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__


@contextmanager
def asking(service: str, operation: str) -> Iterator[None]:
    """Turn a failure into ``Unavailable``; AWS's own text may quote what it was sent."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise Unavailable(f"{service} did not answer {operation}: {code(error)}") from error
