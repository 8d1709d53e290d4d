"""Shows a person what a run waits with, so that an approval is one of what was seen."""

from surefoot.arguments import Place
from surefoot.client import Surefoot
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, agreed, note


def shown_plan(verb: str, place: Place, run_id: str | None, plan: str | None) -> tuple[str, str]:
    """Return the run and the plan that a person decides on. Raise ``CannotDo`` where nothing was seen or agreed to.

    Where a plan is named, it was seen elsewhere: then Surefoot refuses it if another one waits by now.
    """
    run = Surefoot().status(place, run_id)
    if plan is not None:
        return str(run["run_id"]), plan
    waits = run.get("approval")
    if waits is None:
        raise CannotDo(f"the run {run['run_id']} waits for no approval", Exit.USAGE)
    given = f" Approved by {', '.join(waits['given'])}." if waits["given"] else ""
    note(f"run {run['run_id']}, asked for by {run['actor']}: {run['held']}.{given}")
    note(waits["shown"])
    if not agreed(f"{verb.capitalize()} this?"):
        command = f"`surefoot {verb} {place} --run-id {run['run_id']} --plan {waits['plan']}`"
        raise CannotDo(f"nothing was decided; {command} decides on this without a question", Exit.USAGE)
    return str(run["run_id"]), str(waits["plan"])
