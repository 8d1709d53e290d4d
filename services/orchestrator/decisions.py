"""What is decided alike, whatever brings it up: what replaces a course that no version can read."""

from contracts.base import Target, caused_id
from contracts.recovery import Disarm
from contracts.state import DamagedState
from services._chassis.clock import Clock, moment
from services._chassis.transition import Decision, Emit, Index
from services.orchestrator.domain.course import Course, target_of
from services.orchestrator.domain.listing import indexes_of
from services.orchestrator.domain.lost import ended
from services.orchestrator.domain.view import RunView, run_key
from services.orchestrator.handlers import MOST_RUNS, WAKES
from services.orchestrator.ports import History


async def replace_course(history: History, clock: Clock, key: str, _: DamagedState) -> Decision:
    """End the target's runs ``failed``, disarm recovery, and begin an empty course: AWS shows what there is."""
    target, now = target_of(key), moment(clock.now())
    runs = await history.unfinished(target)
    ends = [ended(view, now) for view in runs]
    begun = [view.run_id for view in runs if view.status == "running"]
    return Decision(
        state=Course(last_run_id=next(iter(begun), None)).to_bytes(),
        expires=True,
        emit=(
            *(Emit(finished, caused_id(finished.run_id, "finished")) for _, finished in ends),
            *(_disarm(target, run_id) for run_id in begun),
        ),
        cancel_timers=tuple(f"{kind}:{run_id}" for run_id in begun for kind in WAKES),
        records={run_key(shown.run_id): shown.model_dump_json().encode() for shown, _ in ends},
        indexes=tuple(index for shown, _ in ends for index in _indexes(shown)),
    )


def _disarm(target: Target, run_id: str) -> Emit:
    return Emit(Disarm(target=target, run_id=run_id), caused_id(run_id, "lost:disarm"))


def _indexes(view: RunView) -> tuple[Index, ...]:
    if view.asked_at is None:
        return ()
    return tuple(Index(name, view.run_id, view.asked_at.timestamp(), keep=MOST_RUNS) for name in indexes_of(view))
