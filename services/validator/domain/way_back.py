"""Whether there is a way back: what a rollback would need is there, before anything is changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.gates import Gate
from services.validator.domain.facts import Absent, Unknown

WAY_BACK = "way_back"


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that the version needs to start again."""

    there: bool | None
    """None: it could not be checked."""
    detail: str
    """A clause: ``the subnet subnet-1 is not there any more``, ``the role is not known: …``."""


@dataclass(frozen=True, slots=True)
class WayBack:
    """The version that a rollback would bring back, and what it needs."""

    version: str
    """``family:revision``."""
    needs: tuple[Need, ...] = ()


def way_back_gate(found: WayBack | Absent | Unknown, *, unknown_blocks: bool) -> Gate:
    """Return the gate ``way_back``: what is proven missing blocks, what cannot be checked only if the policy says so.

    A service that never had a completed version has nothing to go back to, which is no fault of the change.
    """
    match found:
        case Absent(detail):
            return Gate.does_not_apply(WAY_BACK, f"there is no way back: {detail}")
        case Unknown(detail):
            return _unchecked(f"which version to go back to could not be read: {detail}", (), unknown_blocks)
        case WayBack(version, needs):
            missing = [need.detail for need in needs if need.there is False]
            if missing:
                return Gate.true(WAY_BACK, False, detail=f"you cannot go back to {version}, because {_and(missing)}")
            unknown = [need.detail for need in needs if need.there is None]
            seen = [need for need in needs if need.there]
            if unknown:
                return _unchecked(
                    f"the way back to {version} is not checked in all: {'; '.join(unknown)}", seen, unknown_blocks
                )
            detail = f"whatever {version} needs to start again is there"
            return Gate.true(WAY_BACK, True, samples=len(seen), detail=detail)


def _unchecked(detail: str, seen: Sequence[Need], blocks: bool) -> Gate:
    if blocks:
        return Gate.true(WAY_BACK, None, samples=len(seen), detail=detail)
    return (
        Gate.true(WAY_BACK, True, samples=len(seen), detail=detail) if seen else Gate.does_not_apply(WAY_BACK, detail)
    )


def _and(clauses: Sequence[str]) -> str:
    return " and ".join(clauses) if len(clauses) < 3 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"
