"""Shows a run's progress on stderr: a live line on a terminal, plain lines otherwise."""

from contextlib import ExitStack
from typing import Any, Self

from rich.console import Console
from rich.text import Text

from contracts.prose import each_text, plain
from surefoot.readable import migration_of, plural, shortened, wrapped

_COLOUR = {
    "pass": "green",
    "succeeded": "bold green",
    "fail": "red",
    "failed": "bold red",
    "rollback_failed": "bold red",
    "inconclusive": "yellow",
    "blocked": "bold yellow",
    "rolled_back": "bold yellow",
    "aborted": "bold yellow",
    "superseded": "bold yellow",
}

ROLLOUT = "deployment_monitoring"
"""The phase in which the change is rolled out."""


class Progress:
    """Prints what is new in each answer about a run, each line under the phase that it belongs to."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        """``verbose``: passing gates are shown one by one, and nothing is shortened."""
        self._console = console
        self._verbose = verbose
        self._printed: set[str] = set()
        self._live = ExitStack()
        self._status = console.status("waiting") if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._status:
            self._live.enter_context(self._status)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.close()

    def show(self, run: dict[str, Any]) -> None:
        """Print what has not been printed yet."""
        run = each_text(run, plain)
        if run.get("progress") and self._status:
            self._status.update(Text(shortened(run["progress"])))
        for phase in [*run["phases"], run.get("baking")]:
            if phase and phase["seconds"] is not None:
                self._phase(phase, run)
        self._progress(run, None)
        if run.get("rollback"):
            back = run["rollback"]
            sentence = (
                f"rollback by {back['by']} to {back['snapshot_id']} in {back['seconds']:.0f} s: {back['trigger']}"
            )
            self._print_once("rollback", "  ", sentence)
        if run["status"] == "finished":
            self._print_once("outcome", "", run["outcome"], f" in {run['seconds']:.0f} s: {run['reason']}")
            if migration := migration_of(run):
                self._print_once("migration", "  ", migration)

    def _progress(self, run: dict[str, Any], phase: str | None) -> None:
        """Print the run's last sentence, if it was published in ``phase``; None: outside of all phases."""
        # an orchestrator without ``progress_phase`` means the phase that goes on
        progress_phase = run.get("progress_phase", run.get("phase"))
        if run.get("progress") and progress_phase == phase and f"{phase} ended" not in self._printed:
            self._print_once(f"progress {run['progress']}", "    ", run["progress"], style="dim")

    def _phase(self, phase: dict[str, Any], run: dict[str, Any]) -> None:
        name = phase["phase"]
        self._print_once(name, "  ", name)
        if name == ROLLOUT and run.get("rollout_bound"):
            self._print_once(run["rollout_bound"], "    ", run["rollout_bound"], style="dim")
        self._progress(run, name)
        passing = [gate for gate in phase["gates"] if gate["verdict"] == "pass" and not self._verbose]
        if passing:
            self._print_once(f"{name} passing {len(passing)}", "    ", f"{plural(len(passing), 'gate')} pass", "")
        for gate in phase["gates"]:
            if gate not in passing:
                # the value is a part of the key: a gate may be measured again
                shown = f"{name}.{gate['name']}.{gate['verdict']}.{gate['value']}"
                self._print_once(shown, "    ", gate["verdict"], f" {gate['name']}: {arithmetic(gate)}")
        if phase["verdict"]:
            ended = f" after {phase['seconds']:.0f} s"
            self._print_once(f"{name} ended", f"  {name}: ", phase["verdict"], ended)

    def _print_once(self, what: str, indent: str, first: str, rest: str = "", style: str = "") -> None:
        """Print a line once. ``first`` has its own colour, if it is a verdict or an outcome."""
        if what in self._printed:
            return
        self._printed.add(what)
        text = f"{first}{rest}"
        line = indent + (text if self._verbose else shortened(text))
        # a terminal would break words in their middle; a file or a pipe takes lines as they are
        lines = wrapped(line, self._console.width) if self._console.is_terminal else [line]
        for number, part in enumerate(lines):
            shown = Text(part, style=style)
            if number == 0 and first in _COLOUR:
                shown.stylize(_COLOUR[first], len(indent), len(indent) + len(first))
            self._console.print(shown, highlight=False, soft_wrap=True)


def arithmetic(gate: dict[str, Any]) -> str:
    """Return ``72 >= 70 (5 samples)``, or ``69, must be >= 70 …``, with the gate's detail."""
    unit = gate.get("unit", "")
    value = "no data" if gate["value"] is None else f"{gate['value']:g}{unit}"
    must = "" if gate["verdict"] == "pass" else ", must be"
    line = (
        f"{value}{must} {gate.get('comparison', '')} {gate['threshold']:g}{unit} ({plural(gate['samples'], 'sample')})"
    )
    if gate.get("overridden_by"):
        line += f", overridden by {gate['overridden_by']}"
    if gate.get("detail"):
        line += f" - {gate['detail']}"
    return line
