"""Publish an answer that version 0.1.0 left to a job of its own, and that the upgrade found unpublished."""

from contracts.results import StepFinished, answer_id
from services._chassis.jobs import Running
from services._chassis.transition import Emit, Transition, decided

LEFT_OVER = "evaluate-rules"
"""The kind of the job."""


async def answer_left_over(running: Running) -> Transition:
    finished = StepFinished.model_validate_json(running.payload)
    return decided(Emit(finished, answer_id(finished.command_id)))
