"""Rewrite the alarms and the dashboard of a target whose policy has changed; looks and alerts never wait for it."""

import asyncio
from dataclasses import dataclass, field

import structlog

from contracts.base import Target, id_of
from contracts.gates import Verdict
from services._aws.errors import AwsError
from services._chassis.clock import Clock
from services._chassis.jobs import Running
from services._chassis.store import Store
from services._chassis.transition import Decision, Transition, decided
from services.monitor.decisions import set_up_act, show_at, show_id
from services.monitor.domain.showing import Showing, turn_after
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.domain.watched_service import WatchedService
from services.monitor.jobs.show_policy import ShowPolicy
from services.monitor.ports import NotFound

log = structlog.get_logger()


class Overtaken(Exception):
    """A run has begun, the policy has changed, or the alarms were set up meanwhile: they must not be touched now."""


@dataclass(frozen=True, slots=True)
class ShowJob:
    """Write what ``Watch.showing`` has left to write. Where AWS stops it, the next try goes on from there."""

    store: Store
    clock: Clock
    show: ShowPolicy
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One target is written at a time: all at once would be throttled, and would leave no executor for looks."""

    async def __call__(self, running: Running) -> Transition:
        target = Target.parse(running.payload.decode())
        if self.turn.locked():
            return decided(timers=(show_at(target, self.clock.now() + turn_after(target)),))
        async with self.turn:
            showing = (await self._watch(target)).showing
            if showing is None:
                return decided()
            showing, service, why = await self._written(running, target, showing)
        if why:
            log.warning("alarms and dashboard are not as the policy says", target=str(target), why=why)
        return _ended(target, showing, None if why else service, self.clock.now())

    async def _watch(self, target: Target) -> Watch:
        return await self.store.read(watch_key(target), Watch, target=target)

    async def _written(
        self, running: Running, target: Target, showing: Showing
    ) -> tuple[Showing, WatchedService | None, str]:
        """Write what is left. Return what is written by the end, of which service, and why it is not everything.

        The sentence is empty where it is everything.
        """
        policy, service = showing.policy, None
        try:
            service = await self.show.services.watched(target, None)
            showing = showing.behind(service.groups)
            for rule in showing.left:
                await self._check(target, showing)
                showing = showing.with_alarms(rule, await self.show.put_alarm(running, target, service, rule, policy))
            await self._check(target, showing)
            await self.show.delete_others(running, target, service, showing.names)
            if not showing.dashboard:
                await self._check(target, showing)
                await self.show.put_dashboard(running, target, service, policy)
                showing = showing.with_dashboard()
        except (NotFound, AwsError, Overtaken) as error:
            return showing, service, str(error)
        return showing, service, ""

    async def _check(self, target: Target, showing: Showing) -> None:
        """Raise ``Overtaken`` where the alarms must not be touched; a run relies on alarms that stay as they are."""
        watch = await self._watch(target)
        if watch.showing is None or watch.showing.policy != showing.policy:
            raise Overtaken("something else is to be shown by now")
        if watch.wanted_closely(self.clock.now()):
            raise Overtaken("a run has begun")


def _ended(target: Target, showing: Showing, written: WatchedService | None, now: float) -> Transition:
    """Return the transition after a try; ``written`` is the service for which everything is written, None: not all."""

    def decide(state: bytes | None) -> Decision:
        watch = Watch.from_bytes(state, target=target)
        if watch.showing is None or watch.showing.policy != showing.policy:
            return Decision()
        if written is not None:
            digest = showing.policy.digest
            why = f"as the policy {digest[:12]} has it"
            audited = set_up_act(id_of("shown", str(target), digest, str(now)), target, why, Verdict.PASS)
            shown = watch.with_shown(written, showing.policy, now)
            return Decision(shown.to_bytes(), cancel_timers=(show_id(target),), audit=(audited,))
        later = showing.stopped_again()
        return Decision(watch.replace(showing=later).to_bytes(), timers=(show_at(target, now + later.pause),))

    return Transition(watch_key(target), decide)
