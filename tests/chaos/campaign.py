"""One campaign: runs on a stack with faults, then a time without faults until all runs have ended, then the checks."""

import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import orjson
import structlog

from contracts.base import Target
from contracts.topics import SERVICES
from tests.chaos.harms import Harms
from tests.chaos.judge import Images, judge, judge_services
from tests.chaos.judge_audit import judge_audit
from tests.chaos.judge_drills import judge_drills
from tests.chaos.judge_holds import judge_holds
from tests.chaos.judge_left import Left, judge_left
from tests.chaos.judge_migrations import judge_migrations
from tests.chaos.judge_recreations import judge_recreations
from tests.chaos.judge_scalings import judge_scalings
from tests.chaos.judge_superseded import judge_superseded
from tests.chaos.judge_verbs import judge_exercised, judge_verbs
from tests.chaos.kinds import RECREATED, SCALED, mix
from tests.chaos.observer import Seen
from tests.chaos.person import Api, Person, drilled
from tests.chaos.plan import harms
from tests.chaos.recreation import Recreation
from tests.chaos.repeats import Repeats
from tests.chaos.report import Report
from tests.chaos.requests import Asked, requests, target, visits
from tests.chaos.stack import Stack, stack
from tests.chaos.standing import standing
from tests.chaos.verbs import Encores, exercised

READY_SECONDS = 90.0
PEACE_SECONDS = 300.0
"""How long runs may take to end once no more harm is done: above the sum of a run's own deadlines at this speed."""
QUIET_SECONDS = 6.0
"""No event for so long after the last run's end: then nothing is under way any more."""
SETTLED_SECONDS = 2.0
"""No event for so long: what was never done by then is asked for."""
STEADY_SECONDS = 40.0
"""The longest that old tasks drain after all that: the deregistration delay, with the clock's speed."""
TICK_SECONDS = 0.05

log = structlog.get_logger()


@dataclass
class Agenda:
    """Actions to be done later, in the order of time."""

    _entries: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def add(self, seconds: float, do: Callable[[], object]) -> None:
        heapq.heappush(self._entries, (time.monotonic() + seconds, next(self._numbers), do))

    def run_due(self) -> None:
        while self._entries and self._entries[0][0] <= time.monotonic():
            heapq.heappop(self._entries)[2]()

    def run_all(self) -> None:
        """Do all its actions now; actions that these add are done when they are due."""
        entries, self._entries = sorted(self._entries), []
        for _, _, do in entries:
            do()


@dataclass
class Campaign:
    """One seed's runs and harm. One thread does it all, but for what waits for answers over HTTP."""

    seed: int
    runs: int
    targets: int
    directory: Path
    harm_seconds: float | None = None
    """None: harm goes on until every run has been asked for."""
    mutant: str = ""
    harmless: bool = False

    def run(self) -> Report:
        """Run the campaign, and return its report."""
        begun, report = time.monotonic(), Report(self.seed)
        kinds = (*mix(self.seed, self.targets), SCALED, RECREATED)
        with stack(self.directory, seed=self.seed, kinds=kinds, mutant=self.mutant) as running:
            drive = Drive(self, running)
            drive.start()
            if not self.harmless:
                drive.harm()
            drive.peace()
            running.observer.seen.keep(self.directory / "events.jsonl")
            calls = running.control_aws("GET", "calls?changing=1")
            (self.directory / "calls.json").write_bytes(orjson.dumps(calls))
            self._judge(report, drive, running.observer.seen, calls)
        report.seconds = round(time.monotonic() - begun, 1)
        return report

    def _judge(self, report: Report, drive: "Drive", seen: Seen, calls: list[dict[str, Any]]) -> None:
        report.harm = drive.harms.done
        others = {rival.run_id or rival.name: rival.outcome for rival in drive.harms.rivals}
        judge(report, drive.asked, seen, calls, others, harmless=self.harmless)
        judge_audit(report, seen)
        judge_verbs(report, drive.asked, seen)
        judge_scalings(report, seen)
        judge_drills(report, seen, harmless=self.harmless)
        judge_migrations(report, drive.asked, seen, calls)
        judge_recreations(report, seen, calls)
        judge_left(report, drive.left, drive.harms.touched)
        judge_superseded(report, drive.asked, seen, calls)
        judge_holds(report, drive.asked, seen, drive.images, drive.harms.touched)
        judge_services(report, drive.asked, seen, drive.images, drive.harms.touched)
        judge_exercised(report, drive.asked, seen)


class Drive:
    """A campaign under way."""

    def __init__(self, campaign: Campaign, running: Stack) -> None:
        self._campaign = campaign
        self._stack = running
        self._seen = running.observer.seen
        self._agenda = Agenda()
        self._waiting = requests(campaign.seed, campaign.runs, campaign.targets)
        self._visits = visits(campaign.seed, campaign.runs, campaign.targets)
        """Runs that are asked for while a drill is under way."""
        self._active: dict[str, Target] = {}
        """Run that was asked for and has not ended → its target."""
        self._asked_at: dict[Target, float] = {}
        """Target → when a run was last asked for there."""
        self._approved = 0
        """How many of the runs that were seen to wait for an approval have got theirs."""
        self.asked: list[Asked] = []
        self.images = Images()
        url, scaled, gone = running.fleet.url("recovery"), target(campaign.targets + 1), target(campaign.targets + 2)
        self._person = Person(Api(url, scaled), self._seen, campaign.seed)
        self._recreation = Recreation(Api(url, gone), self._seen, running.aws)
        self._repeats = Repeats(self._seen, running.observer.release)
        self._encores = Encores(campaign.seed)
        self.left: list[Left] = []
        self.harms = Harms(running, self._agenda.add, campaign.seed)

    def start(self) -> None:
        """Start the services and wait until all are ready."""
        for name in SERVICES:
            self._stack.fleet.start(name)
        deadline = time.monotonic() + READY_SECONDS
        while not self._stack.fleet.ready():
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"the services are not ready after {READY_SECONDS:.0f} s: see {self._campaign.directory}"
                )
            time.sleep(0.2)
        self._stack.observer.start()
        self.images.before = self._stack.running()
        apis = (self._person.api, self._recreation.api)
        self.left = [Left(api.target.service, before=standing(self._stack.aws, api.target)) for api in apis]
        self._person.start()
        self._recreation.start()

    def harm(self) -> None:
        """Harm while there is something to harm."""
        start, plan = time.monotonic(), harms(self._campaign.seed)
        harm = next(plan)
        most = self._campaign.harm_seconds or inf
        while self._waiting and (now := time.monotonic() - start) < most:
            if harm.at <= now:
                log.info("harm", kind=harm.kind, aimed_at=harm.aimed_at, at=round(now, 1))
                self.harms.do(harm)
                harm = next(plan)
            self.harms.watch()
            self._tick()

    def peace(self) -> None:
        """Undo all harm, and wait until every run has ended, nothing moves any more, and everything was done once."""
        self._agenda.run_all()
        self._stack.make_peace()
        begun, moved, count = time.monotonic(), time.monotonic(), -1
        while time.monotonic() - begun < PEACE_SECONDS or self._waiting:
            self._tick()
            if not self._waiting:
                self._person.finish()
            if len(self._seen.events) != count:
                count, moved = len(self._seen.events), time.monotonic()
            quiet = time.monotonic() - moved
            if self._busy or quiet <= SETTLED_SECONDS:
                continue
            self._waiting += self._encores.missing(exercised(self.asked, self._seen))
            if not self._waiting and quiet > QUIET_SECONDS:
                break
        self.images.after = self._stack.steady(STEADY_SECONDS)
        apis = (self._person.api, self._recreation.api)
        self.left = [
            replace(left, after=standing(self._stack.aws, api.target), stands=api.standing())
            for left, api in zip(self.left, apis, strict=True)
        ]

    @property
    def _busy(self) -> bool:
        acting = self._person.busy or self._recreation.busy or self._repeats.busy
        return bool(self._waiting or self._active or acting or any(rival.is_alive() for rival in self.harms.rivals))

    def _tick(self) -> None:
        self._agenda.run_due()
        self._stack.fleet.supervise()
        if (again := self._repeats.next(self.asked, self._waiting)) is not None:
            self._waiting.insert(0, again)
        self._ask()
        self._approve()
        time.sleep(TICK_SECONDS)

    def _ask(self) -> None:
        """Request the next runs; each target has one run at a time, and perhaps another that takes its place."""
        over = self._seen.ended
        self._active = {run_id: target for run_id, target in self._active.items() if run_id not in over}
        targets: set[Target] = set()
        for run in list(self._waiting):
            is_next = run.target not in targets
            targets.add(run.target)
            if not is_next or (run.target in self._active.values() and not self._takes_its_place(run)):
                continue
            self._waiting.remove(run)
            self._request(run)
        visit = next(iter(self._visits), None)
        if visit and visit.target not in self._active.values() and drilled(self._seen, visit.target):
            self._visits.remove(visit)
            self._request(visit)

    def _request(self, run: Asked) -> None:
        self._active[run.run_id] = run.target
        self._asked_at[run.target] = time.monotonic()
        self.asked.append(run)
        self.images.of_run[run.run_id] = self._stack.push(run.tag, run.image)
        self._stack.observer.ask(run)
        if run.abort_after is not None:
            self._agenda.add(run.abort_after, partial(self._stack.observer.abort, run))
        if run.pause_after is not None:
            self._agenda.add(run.pause_after, partial(self._stack.observer.pause, run))
            if run.resume_after is not None:
                self._agenda.add(run.pause_after + run.resume_after, partial(self._stack.observer.resume, run))

    def _takes_its_place(self, run: Asked) -> bool:
        """Whether it is time for a run that supersedes the one before it."""
        since = time.monotonic() - self._asked_at.get(run.target, inf)
        return run.supersedes_after is not None and since >= run.supersedes_after

    def _approve(self) -> None:
        """Approve or reject what waits, three times over: under the names of three persons, with one key."""
        rejected = {run.run_id for run in self.asked if run.rejected}
        waiting = self._seen.held[self._approved :]
        self._approved += len(waiting)
        for held in waiting:
            for person in ("ann", "ben", "eve"):
                self._stack.observer.decide(held, person, "reject" if held.run_id in rejected else "approve")
