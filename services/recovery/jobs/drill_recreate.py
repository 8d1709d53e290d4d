"""Looks whether everything of a service could be made again, times that, and makes nothing."""

from dataclasses import dataclass
from datetime import timedelta

from services._chassis.clock import Clock, moment
from services._chassis.reasons import Impossible
from services._chassis.transition import Transition
from services.recovery.decisions.drill import failed, note_plan, planned, refused
from services.recovery.domain.drill.drill import Drill
from services.recovery.domain.drill.drill_plan import lost_configuration
from services.recovery.domain.drill.drill_recreation import planned_sentence, sentence_of_recreation, why_failed
from services.recovery.domain.drill.drill_work import DrillWork
from services.recovery.examine import DrillExaminer
from services.recovery.recreate import Recreate

LONGEST = timedelta(minutes=15)
"""A drill of this plan ends by then, where AWS does not let recovery look."""


@dataclass(frozen=True, slots=True)
class RecreationDrill:
    recreate: Recreate
    examiner: DrillExaminer
    clock: Clock

    async def step(self, work: DrillWork, drill: Drill) -> tuple[Transition, bool]:
        """Return what follows from a look at the service, and whether that ends the drill. Raise ``AwsError``."""
        now = moment(self.clock.now())
        live = await self.examiner.live(work.target)
        if live is None:
            return refused(work, "Not tried, because the service is not there.", now), True
        if not drill.sentence:
            noted = note_plan(
                work,
                sentence=sentence_of_recreation(live.version),
                version=live.version,
                called_at=now,
                rpo_seconds=lost_configuration(live),
                until=now + LONGEST,
            )
            return noted, False
        return await self._look(work), True

    async def _look(self, work: DrillWork) -> Transition:
        began = self.clock.now()
        try:
            snapshot = await self.recreate.snapshot(work.target, None)
        except Impossible as why:
            return failed(work, str(why), moment(began))
        looked = await self.recreate.could(snapshot, moment(began))
        now = moment(self.clock.now())
        if obstacle := why_failed(looked):
            return failed(work, obstacle, now)
        return planned(work, planned_sentence(snapshot, looked, now.timestamp() - began, began), now)
