"""AWS's faults in one sentence each, without the call's parameters: they may hold secrets."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from services.recovery.ports import CallFailed

_PASSING = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "TooManyRequestsException",
    "SlowDown", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable", "ServiceUnavailableException",
    "InternalError", "InternalFailure", "ServerException", "UpdateInProgressException",
})  # fmt: skip
_SPEAKING = frozenset({
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "ClusterNotFoundException",
    "ServiceNotFoundException", "ServiceNotActiveException", "NoSuchBucket", "UnsupportedFeatureException",
})  # fmt: skip
"""Faults whose text names who and what, never a value of ours."""


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Turn botocore's exceptions into ``CallFailed``; ``what`` is the call, ``ecs:UpdateService`` for instance."""
    try:
        yield
    except ClientError as error:
        fault = error.response.get("Error", {})
        code = str(fault.get("Code", "unknown"))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        said = f" ({str(fault.get('Message', ''))[:300]})" if code in _SPEAKING else ""
        raise CallFailed(
            f"{what} failed: {code}{said}.", temporary=code in _PASSING or status >= 500, code=code
        ) from None
    except BotoCoreError as error:
        raise CallFailed(f"{what} got no answer: {type(error).__name__}.", temporary=True) from None
