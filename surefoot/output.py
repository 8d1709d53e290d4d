"""The output of the command line, and the only place that writes on a terminal: results on stdout, all else on stderr.

What is shown comes from AWS, from applications, from other people's messages and files. No control character of it
reaches the terminal, and no text of it can begin a line of its own.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import orjson
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from contracts.prose import each_text, plain
from contracts.redact import redact
from surefoot.exit_codes import Exit

console = Console(stderr=True, emoji=False, markup=False, highlight=False)  # an ARN has :secret: in it

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")]


class CannotDo(Exception):
    """The command cannot be done; the text says why and what to do.

    ``code`` is the exit code; ``faults`` are shown below the sentence, each on a line of its own.
    """

    def __init__(self, sentence: str, code: Exit, faults: Iterable[str] = ()) -> None:
        super().__init__(sentence)
        self.code = code
        self.faults = tuple(faults)


def result(data: Any, as_json: bool, text: Callable[[Any], str]) -> None:
    """Print the result: ``data`` as JSON, or what ``text`` makes of it, which gets each text clean and on one line."""
    show_line(json_of(data) if as_json else text(each_text(data, plain)))


def json_of(data: Any) -> str:
    """Return JSON without a character that a terminal would obey: those are escaped, as JSON allows."""
    text = orjson.dumps(data).decode()
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def show_line(text: str, end: str = "\n") -> None:
    """Print a text on stdout as it is, but for what a terminal would obey."""
    print(lines_of(text), end=end, flush=True)


def exports(environment: Mapping[str, str]) -> None:
    """Print an environment as ``export`` lines for a shell."""
    show_line("\n".join(f"export {name}={value}" for name, value in environment.items()))


def note(*parts: str | tuple[str, str]) -> None:
    """Print one line on stderr; a part may be a text with its style, as ``("fail", "red")``."""
    shown = Text()
    for part in parts:
        text, style = (part, "") if isinstance(part, str) else part
        shown.append(redact(plain(text)), style)
    console.print(shown, soft_wrap=True)


def agreed(question: str) -> bool:
    """Ask the person at the terminal. Return whether they have said yes; False where there is no terminal."""
    if not (sys.stdin.isatty() and console.is_terminal):
        return False
    note(f"{question} [y/N]")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def fail(sentence: str, code: Exit, faults: Iterable[str] = ()) -> int:
    """Print what is wrong on stderr, and each fault on an indented line; return ``code``."""
    note((f"surefoot: {sentence}", "red"))
    for fault in faults:
        note((f"  {fault}", "red"))
    return code


def lines_of(text: str) -> str:
    """Return a text of several lines without anything else that a terminal would obey."""
    return text if text.isprintable() else "\n".join(map(plain, text.split("\n")))


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
