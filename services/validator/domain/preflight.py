"""Turns the facts about a request into gates: can what is asked for be applied?"""

from dataclasses import dataclass, replace

from contracts.base import Target
from contracts.deployment import Cause, ImageChange
from contracts.gates import Gate, Verdict, worst
from contracts.policy import Gates
from contracts.results import PreflightOutput
from contracts.validator import Baseline
from services.validator.domain.facts import Absent, Image, LiveService, Outside, TaskDefinition, Unknown
from services.validator.domain.manifest import LINUX_AMD64, Platform
from services.validator.domain.reference import Reference

_USAGE = frozenset(
    {"target_exists", "reference_valid", "image_unambiguous", "task_definition_exists", "task_definition_active"}
)
"""Gates whose failure means that the request itself is wrong (exit code 2)."""
ADVICE = f"build it with --platform {LINUX_AMD64}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A container's image, and the result of looking it up."""

    container: str
    image: str
    """The reference as it was written."""
    found: Image | Absent | Outside | Unknown


@dataclass(frozen=True, slots=True)
class Findings:
    """The gates and the facts behind them."""

    gates: tuple[Gate, ...]
    facts: tuple[object, ...] = ()
    output: PreflightOutput | None = None
    """Exactly what to apply; None where that is not known."""

    def __add__(self, later: "Findings") -> "Findings":
        """Return both together, with the output of ``later``."""
        return Findings(self.gates + later.gates, self.facts + later.facts, later.output)

    def with_baseline(self, baseline: Baseline | None) -> "Findings":
        """Return the same with what the tests saw before the change; without an output nothing will be changed."""
        output = self.output and self.output.model_copy(update={"baseline": baseline})
        return replace(self, output=output)


def required_platform(gates: Gates) -> Platform | None:
    """Return the platform that every image needs; None where it needs its task definition's only."""
    return LINUX_AMD64 if gates.image_platform == "linux/amd64" else None


def target_gate(target: Target, service: LiveService | Absent | Unknown) -> Gate:
    match service:
        case LiveService():
            return Gate.true("target_exists", True, detail=f"{target.cluster}/{target.service} exists")
        case Absent(detail):
            return Gate.true("target_exists", False, detail=detail)
        case Unknown(detail):
            return Gate.true("target_exists", None, samples=0, detail=detail)


def choose_container(change: ImageChange, containers: tuple[str, ...]) -> tuple[str | None, Gate]:
    """Return the container whose image changes, or None, and the gate ``image_unambiguous``."""
    names = ", ".join(containers)
    if change.container is None and len(containers) == 1:
        chosen, detail = containers[0], f"the only container is {names}"
    elif change.container is None:
        chosen, detail = None, f"name the container, as CONTAINER=REF; there are {names}"
    elif change.container in containers:
        chosen, detail = change.container, f"the container is {change.container}"
    else:
        chosen, detail = None, f"there is no container {change.container}; there are {names}"
    return chosen, Gate.true("image_unambiguous", chosen is not None, detail=detail)


def reference_gate(text: str) -> Gate:
    try:
        Reference.parse(text)
    except ValueError as error:
        return Gate.true("reference_valid", False, detail=str(error))
    return Gate.true("reference_valid", True, detail=f"{text} is well formed")


def task_definition_gates(name: str, found: TaskDefinition | Absent | Unknown) -> tuple[Gate, ...]:
    """Return the gate ``task_definition_exists`` and, where it exists, ``task_definition_active``."""
    match found:
        case Absent(detail):
            return (Gate.true("task_definition_exists", False, detail=detail),)
        case Unknown(detail):
            return (Gate.true("task_definition_exists", None, samples=0, detail=detail),)
        case TaskDefinition(arn, active):
            state = "ACTIVE" if active else "INACTIVE: it was deregistered, and ECS starts no task of it"
            return (
                Gate.true("task_definition_exists", True, detail=f"{name} is {arn}"),
                Gate.true("task_definition_active", active, detail=f"{arn} is {state}"),
            )


def exists_gate(wanted: tuple[Wanted, ...]) -> Gate:
    """Return the gate ``image_exists``: every image that can be looked up is in its registry."""
    holds: list[bool | None] = []
    details: list[str] = []
    for image in wanted:
        match image.found:
            case Image():
                holds.append(True)
                details.append(f"{image.image} is there")
            case Absent(detail):
                holds.append(False)
                details.append(detail)
            case Unknown(detail):
                holds.append(None)
                details.append(detail)
            case Outside(detail):
                details.append(detail)
    return _all("image_exists", holds, details)


def architecture_gate(wanted: tuple[Wanted, ...], runs_on: Platform, required: Platform | None) -> Gate:
    """Return the gate ``architecture``: every image has the platform that its tasks run on, and the ``required`` one.

    None requires only that the image fits the task definition. An image that is absent fails ``image_exists`` alone.
    """
    holds: list[bool | None] = []
    details: list[str] = []
    for image in wanted:
        match image.found:
            case Image(_, frozenset() as platforms):
                needed = dict.fromkeys(platform for platform in (required, runs_on) if platform)
                missing = [platform for platform in needed if platform not in platforms]
                holds.append(not missing)
                details.append(f"{image.image} is {_list(platforms)}{_advice(missing, runs_on, required)}")
            case Image(_, Unknown(detail)) | Unknown(detail):
                holds.append(None)
                details.append(detail)
            case Outside(detail):
                details.append(detail)
            case Absent():
                pass
    return _all("architecture", holds, details)


def digest_gate(wanted: Wanted) -> Gate:
    """Return the gate ``digest_resolved``: it is known exactly what would be applied."""
    exact = pinned(wanted)
    detail = exact or f"the digest of {wanted.image} is not known: name the image as {_name(wanted)}@sha256:…"
    return Gate.true("digest_resolved", exact is not None, detail=detail)


def pinned(wanted: Wanted) -> str | None:
    """Return the image by its digest in the registry, or by the reference's own where the registry cannot be read.

    None where neither is known, and for an image that does not exist.
    """
    reference = Reference.parse(wanted.image)
    match wanted.found:
        case Image(digest):
            return str(reference.pinned(digest))
        case Outside() | Unknown():
            return str(reference.pinned(reference.digest)) if reference.digest else None
        case Absent():
            return None


def containers_unknown(definition: Absent | Unknown) -> Findings:
    """Return the findings where the containers are not known, so that no image can be chosen."""
    gate = Gate.true("image_unambiguous", None, samples=0, detail=definition.detail)
    return Findings((gate,), (definition,))


def image_findings(wanted: Wanted, runs_on: Platform, required: Platform | None) -> Findings:
    """Return the findings about the image of an ``ImageChange``; one that is absent has the first gate only."""
    exists = exists_gate((wanted,))
    if isinstance(wanted.found, Absent):
        return Findings((exists,))
    exact = pinned(wanted)
    return Findings(
        (exists, architecture_gate((wanted,), runs_on, required), digest_gate(wanted)),
        output=PreflightOutput(images={wanted.container: exact}) if exact else None,
    )


def cause(findings: Findings) -> Cause | None:
    """Return why it did not pass: an error where something could not be read, unless a gate failed anyway."""
    failed = {gate.name for gate in findings.gates if gate.verdict is Verdict.FAIL}
    if failed:
        return Cause.USAGE if failed & _USAGE else Cause.GATE
    if worst(gate.verdict for gate in findings.gates) is Verdict.PASS:
        return None
    return Cause.ERROR if any(_is_unknown(fact) for fact in findings.facts) else Cause.GATE


def summary(findings: Findings) -> str:
    """Return one sentence: what is in the way, or what may go ahead."""
    unmet = [gate.detail for gate in findings.gates if gate.verdict is not Verdict.PASS]
    if unmet:
        return "; ".join(dict.fromkeys(unmet))
    before = findings.output.baseline if findings.output else None
    return findings.gates[-1].detail + (f"; before the change: {before.summary}" if before else "")


def _all(name: str, holds: list[bool | None], details: list[str]) -> Gate:
    """Return a gate that holds where all hold; without any, or with an unknown one (None), it is inconclusive."""
    all_hold = False if False in holds else None if None in holds or not holds else True
    known = sum(found is not None for found in holds)
    return Gate.true(name, all_hold, samples=known, detail="; ".join(details) or "there is no image to look at")


def _is_unknown(fact: object) -> bool:
    return isinstance(fact, Unknown) or (isinstance(fact, Image) and isinstance(fact.platforms, Unknown))


def _name(wanted: Wanted) -> str:
    return Reference.parse(wanted.image).name


def _list(platforms: frozenset[Platform]) -> str:
    return ", ".join(map(str, sorted(platforms)))


def _advice(missing: list[Platform], runs_on: Platform, required: Platform | None) -> str:
    """Return the rest of a sentence about an image: which platform it lacks, and what to do."""
    if not missing:
        return ""
    if required in missing:
        return f", not {required}: {ADVICE}"
    return f", and the tasks run on {runs_on}: build it for that, or change the task definition's runtimePlatform"
