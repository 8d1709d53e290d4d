"""``surefoot demo | up``: all seven services in one process, on the sandbox."""
# ruff: noqa: PLC0415  so that no command waits for the imports of another

from typing import Annotated

from cyclopts import Parameter

from surefoot.arguments import Speed, Verbose, port_number
from surefoot.exit_codes import Exit
from surefoot.output import Json


def demo(*, speed: Speed = 20.0, verbose: Verbose = False, json: Json = False) -> int:
    """Run four deployments on the sandbox: healthy, wrong architecture, crash loop, slow."""
    from sandbox.stack import REQUIRED_VARIABLES
    from surefoot.config import check_settings
    from surefoot.demo import demo as run

    check_settings(REQUIRED_VARIABLES)
    return Exit.SUCCEEDED if run(as_json=json, speed=speed, verbose=verbose) else Exit.FAILED


def up(
    *,
    speed: Speed = 20.0,
    port: Annotated[
        int, Parameter(validator=port_number, help="Where the API listens on 127.0.0.1; 0 is any free one.")
    ] = 8080,
) -> int:
    """Run the all-in-one on the sandbox until Ctrl+C; print the environment that points at it."""
    from sandbox.stack import REQUIRED_VARIABLES
    from surefoot.config import check_settings
    from surefoot.up import up as run

    check_settings(REQUIRED_VARIABLES)
    return run(speed, port)
