"""A run as a person watches it, on stderr: a live line on a terminal, plain lines otherwise."""

from contextlib import ExitStack
from typing import Any, Self

from rich.console import Console
from rich.markup import escape

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


class Progress:
    """Prints what is new in each look at a run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[str] = set()
        self._live = ExitStack()
        self._status = console.status("waiting") if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._status:
            self._live.enter_context(self._status)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.close()

    def show(self, run: dict[str, Any]) -> None:
        """Tell what has not been told yet."""
        for phase in [*run["phases"], run.get("baking")]:
            if phase and phase["seconds"] is not None:
                self._phase(phase)
        if run.get("progress"):
            if self._status:
                self._status.update(escape(run["progress"]))
            self._tell(f"progress {run['progress']}", f"    [dim]{escape(run['progress'])}[/dim]")
        if run.get("rollback"):
            back = run["rollback"]
            self._tell(
                "rollback",
                f"  rollback by {back['by']} to {back['snapshot_id']} in {back['seconds']:.0f} s: "
                f"{escape(str(back['trigger']))}",
            )
        if run["status"] == "finished":
            self._tell(
                "outcome",
                f"{_coloured(run['outcome'])} in {run['seconds']:.0f} s: {escape(str(run['reason']))}",
            )

    def _phase(self, phase: dict[str, Any]) -> None:
        name = phase["phase"]
        self._tell(name, f"  {name}")
        for gate in phase["gates"]:
            # what it was worth is part of what was told: a gate may be measured again
            told = f"{name}.{gate['name']}.{gate['verdict']}.{gate['value']}"
            self._tell(told, f"    {_coloured(gate['verdict'])} {gate['name']}: {escape(arithmetic(gate))}")
        if phase["verdict"]:
            self._tell(f"{name} ended", f"  {name}: {_coloured(phase['verdict'])} after {phase['seconds']:.0f} s")

    def _tell(self, what: str, line: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._console.print(line, highlight=False, soft_wrap=True)


def arithmetic(gate: dict[str, Any]) -> str:
    """Return ``72 >= 70 (5 samples)``, or ``69, must be >= 70 …``, and what there is to say of it."""
    unit = gate.get("unit", "")
    value = "no data" if gate["value"] is None else f"{gate['value']:g}{unit}"
    samples = "1 sample" if gate["samples"] == 1 else f"{gate['samples']} samples"
    must = "" if gate["verdict"] == "pass" else ", must be"
    line = f"{value}{must} {gate.get('comparison', '')} {gate['threshold']:g}{unit} ({samples})"
    if gate.get("overridden_by"):
        line += f", overridden by {gate['overridden_by']}"
    if gate.get("detail"):
        line += f" - {gate['detail']}"
    return line


def _coloured(word: str) -> str:
    return f"[{_COLOUR.get(word, 'default')}]{word}[/]"
