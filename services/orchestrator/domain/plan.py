"""What persons are shown before they approve a run, and its digest, to which their approvals are bound."""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from contracts.results import PreflightOutput
from contracts.run_verbs import ApprovalGate
from services.orchestrator.domain.judge import success_of
from services.orchestrator.domain.opening import change_of, observed_version
from services.orchestrator.domain.run import Run


@dataclass(frozen=True, slots=True)
class Plan:
    digest: str
    """32 hexadecimal digits. It is another one for each run, gate, version and set of overrides."""
    sentence: str


def plan_of(run: Run, gate: ApprovalGate) -> Plan:
    """Return what is to be approved at a gate, of a run that has come there."""
    facts, sentence = _change(run) if gate is ApprovalGate.BEFORE_CHANGE else _version(run)
    facts |= {"run": run.run_id, "gate": gate, "config": run.request.config.model_dump(mode="json")}
    digest = sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
    return Plan(digest, sentence)


def _change(run: Run) -> tuple[dict[str, Any], str]:
    """Return what would be applied: exactly what preflight has resolved, and which gates pass by an override."""
    preflight, migration = run.output(PreflightOutput) or PreflightOutput(), run.migration
    overridden = sorted({gate.name for stage in run.stages[-1:] for gate in stage.gates if gate.overridden_by})
    facts = {
        "asked": run.request.change.model_dump(mode="json"),
        "images": preflight.images,
        "task_definition": preflight.task_definition,
        "overridden": overridden,
    } | ({"migration": migration.model_dump(mode="json")} if migration else {})
    named = [f"{image} as {container}" for container, image in sorted(preflight.images.items())]
    what = " and ".join(named) or preflight.task_definition or "nothing"
    although = f", overriding {', '.join(overridden)}" if overridden else ""
    without = "" if run.request.config.enable_auto_recovery else ", without automatic recovery"
    after = f"Migrate by {' '.join(migration.command)}, then deploy" if migration else "Deploy"
    return facts, f"{after} {what} to {run.target.cluster}/{run.target.service}{although}{without}."


def _version(run: Run) -> tuple[dict[str, Any], str]:
    """Return what would stay live, and what was found about it."""
    ours = change_of(run)
    version = ours.task_definition if ours else observed_version(run)
    facts = {"deployment": ours.deployment_id if ours else None, "version": version, "found": success_of(run.stages)}
    return facts, f"Keep {version or 'what was deployed'} live: {success_of(run.stages)}."
