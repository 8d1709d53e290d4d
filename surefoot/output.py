"""The output of the command line: results on stdout, everything else on stderr."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from cyclopts import Parameter
from rich.console import Console

from surefoot.exit_codes import Exit

console = Console(stderr=True, emoji=False)  # an ARN has :secret: in it

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")]


class CannotDo(Exception):
    """The command cannot be done; the text says why and what to do. ``code`` is the exit code."""

    def __init__(self, sentence: str, code: Exit) -> None:
        super().__init__(sentence)
        self.code = code


def result(data: Any, as_json: bool, text: str) -> None:
    """Print the result: ``data`` as JSON, or ``text``."""
    print(orjson.dumps(data).decode() if as_json else text, flush=True)


def exports(environment: Mapping[str, str]) -> None:
    """Print an environment as ``export`` lines for a shell."""
    print("\n".join(f"export {name}={value}" for name, value in environment.items()), flush=True)


def fail(sentence: str, code: Exit) -> int:
    """Print what is wrong on stderr; return ``code``."""
    console.print(f"surefoot: {sentence}", style="red", highlight=False, markup=False, soft_wrap=True)
    return code
