"""The interface between a service and the chassis: handlers, jobs, timers and part of the API. Nothing runs here."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import httpx2
from fastapi import APIRouter

from contracts.base import Event, Target
from contracts.catalogue import Contracted
from contracts.envelope import Meta
from services._chassis.aws import Aws
from services._chassis.clock import Clock
from services._chassis.damage import Replacement, no_replacement
from services._chassis.jobs import OnFailure, Running
from services._chassis.policies import BuiltInPolicies, Policies
from services._chassis.readiness import Readiness
from services._chassis.signatures import UNSIGNED, Identity
from services._chassis.store import IndexedStore
from services._chassis.transition import Timer, Transition

Handler = Callable[[Any, Meta], Awaitable[Transition | None]]
"""``(event, its attributes)``; None means that there is nothing to do."""

Job = Callable[[Running], Awaitable[Transition]]
"""Does the work of a job that this process has; returns how it ends."""

Refusal = Callable[[Any, str, str], Awaitable[Transition | None]]
"""``(a Kafka record that cannot be read, who has proven to have written it, why)`` → what to publish for its writer
besides the dead letter, if anything. The text does not quote the message. Raise ``Untrusted`` as ``Admission``."""

Admission = Callable[[Target, str], None]
"""``(target, who has proven to have written a message about it)``: raise ``Untrusted`` where it may not ask."""


def anybody(_target: Target, _signed_by: str) -> None:
    """Let all writers of the catalogue ask."""


@dataclass(frozen=True, slots=True)
class Platform:
    """The parts of the chassis that a service is built with."""

    store: IndexedStore
    clock: Clock
    aws: Aws
    straggler_window: float = 43.0
    """Real seconds after which nothing that an executor sent before it lost its job can still reach AWS."""
    transport: httpx2.AsyncBaseTransport | None = None
    """The transport of HTTP requests that do not go to AWS; None: the network."""
    readiness: Readiness = field(default_factory=Readiness)
    """Where a service reports that it is degraded."""
    policies: Policies = field(default_factory=BuiltInPolicies)
    """The policies in force."""
    identity: Identity = UNSIGNED
    """How the service signs, and whom it believes."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service as the chassis runs it: its handlers, jobs, timers and routes."""

    name: str
    handlers: dict[Contracted, Handler] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    first_jobs: frozenset[str] = frozenset()
    """The kinds of jobs that wait for none of the others: those that bring a service back."""
    failures: dict[str, OnFailure] = field(default_factory=dict)
    """Kind of job → what else the service changes when such a job has failed for good."""
    intake: frozenset[type[Event]] = frozenset()
    """Events that begin something new: while Redis is full they wait."""
    timers: dict[str, Callable[[Timer], Awaitable[Transition | None]]] = field(default_factory=dict)
    admits: Admission = anybody
    """Asked about what comes on the topic of the service's commands or requests, before anything is made of it."""
    refusals: dict[str, Refusal] = field(default_factory=dict)
    """Topic → what the service publishes about messages that do not fit their contract."""
    replace_damaged: Replacement = no_replacement
    """What replaces a state that no version can read; by default none does."""
    router: APIRouter = field(default_factory=APIRouter)
    by_hand: tuple[str, ...] = ()
    """What the router's paths begin with to which people POST who bring a service back: such requests do not wait for
    others."""
    background: dict[str, Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=dict)
    """Name → work that goes on as long as the process runs and that nobody waits for; a rehearsal does not run it."""
    closers: tuple[Callable[[], Awaitable[None]], ...] = ()
