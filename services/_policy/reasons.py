"""What is said of an error that keeps a policy from being taken over."""

from contracts.prose import quote
from services._policy.faults import PolicyFaults
from services._policy.read import Unreadable


def sentence_of(error: BaseException) -> str:
    """Return what an operator reads of an error; of an unexpected one its type and at most 300 characters."""
    if isinstance(error, PolicyFaults):
        return error.summary
    if isinstance(error, Unreadable):
        return str(error)
    return quote(f"{type(error).__name__}: {error}".rstrip(": "), 300)
