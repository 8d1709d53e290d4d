"""Bus in, bus out: the command becomes a job, and the job's end is its answer and what changed about the issues."""

from contracts.base import Target, caused_id
from contracts.diagnostics import Issue, IssueFound, IssueGone, RunDiagnostics
from contracts.envelope import Meta
from contracts.gates import Gate
from services._aws.errors import AwsError
from services._chassis.clock import Clock
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.transition import Decision, Emit, Transition, decided
from services.diagnostics.domain.board import Board, update
from services.diagnostics.domain.diagnose import diagnose, gate
from services.diagnostics.ports import Inspector


async def run_diagnostics(command: RunDiagnostics, meta: Meta) -> Transition:
    return decided(jobs=(Command.of(command, meta).job("diagnose", command.model_dump_json().encode()),))


async def diagnose_target(running: Running, *, inspector: Inspector, clock: Clock) -> Transition:
    """Job: look once, and answer."""
    command = RunDiagnostics.model_validate_json(running.payload)
    try:
        evidence = await inspector.inspect(command.target)
    except AwsError as error:
        blind = Gate.measured("critical_issues", None, "<=", 0, samples=0, detail=str(error))
        summary = "AWS could not be asked, so nobody can tell."
        return decided(Command.of(command, running).from_gates((blind,), summary))
    now = clock.now()
    issues = diagnose(command.target, evidence, now)
    judged = gate(issues, evidence)
    answer = Command.of(command, running).from_gates((judged,), _summary(issues, evidence.unseen))
    return noted(
        command.target,
        issues,
        now,
        complete=not evidence.unseen,
        cause=running.id,
        run_id=command.run_id,
        also=(answer,),
    )


def noted(
    target: Target,
    issues: tuple[Issue, ...],
    now: float,
    *,
    complete: bool,
    cause: str,
    run_id: str | None = None,
    also: tuple[Emit, ...] = (),
) -> Transition:
    """Write down what a look found, and tell what is new and what is gone."""

    def decide(state: bytes | None) -> Decision:
        change = update(Board.from_bytes(state), issues, now, complete=complete)
        found = (
            Emit(IssueFound(target=target, run_id=run_id, issue=one), caused_id(cause, f"found:{one.issue_id}"))
            for one in change.found
        )
        gone = (
            Emit(
                IssueGone(target=target, issue_id=one.issue_id, kind=one.kind),
                caused_id(cause, f"gone:{one.issue_id}"),
            )
            for one in change.gone
        )
        return Decision(state=change.after.to_bytes(), emit=(*found, *gone, *also))

    return Transition(board_key(target), decide)


def board_key(target: Target) -> str:
    return f"issues:{target}"


def _summary(issues: tuple[Issue, ...], unseen: tuple[str, ...]) -> str:
    counts = {severity: sum(one.severity == severity for one in issues) for severity in ("critical", "warning", "info")}
    told = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
    worst = f": {issues[0].description}" if issues else ""
    missing = f" Not seen: {'; '.join(unseen)}." if unseen else ""
    return f"{f'Issues found ({told}){worst}' if told else 'No issue found.'}{missing}"
