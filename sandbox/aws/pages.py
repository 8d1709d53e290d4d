"""Pages of a list: ``maxResults`` and ``nextToken`` in, one page and the next token out."""

from collections.abc import Sequence
from typing import Any, TypeVar

from sandbox.aws.errors import AwsFault

T = TypeVar("T")


def page(items: Sequence[T], request: dict[str, Any], limit: int = 100) -> tuple[list[T], dict[str, str]]:
    """One page of ``items`` and ``{"nextToken": …}``, empty on the last page."""
    try:
        start = int(request.get("nextToken") or 0)
    except ValueError:
        raise AwsFault("InvalidParameterException", "Invalid token in request.") from None
    end = start + min(int(request.get("maxResults") or limit), limit)
    return list(items[start:end]), {"nextToken": str(end)} if end < len(items) else {}
