"""Turns a wrong command line into one sentence."""

from collections.abc import Iterable

import pydantic
from cyclopts import App, CycloptsError, UnknownCommandError, UnknownOptionError, ValidationError
from cyclopts.exceptions import MissingArgumentError, RepeatArgumentError, UnusedCliTokensError

from contracts.suggest import did_you_mean


def sentence(error: CycloptsError, root: App) -> str:
    """Return a sentence that says what is wrong, and which help to read."""
    chain = list(error.command_chain or ())
    command = " ".join(["surefoot", *chain])
    what = _what(error, root, chain)
    return f"{what}{'' if what.endswith('?') else '.'} See `{command} --help`"


def _what(error: CycloptsError, root: App, chain: list[str]) -> str:
    match error:
        case UnknownCommandError() if error.unused_tokens:
            word = error.unused_tokens[0]
            return f"there is no command {word!r}{did_you_mean(word, _commands(root, chain))}"
        case UnusedCliTokensError() if error.unused_tokens:
            return f"{' '.join(error.unused_tokens)!r} is more than the command takes"
        case UnknownOptionError():
            option = error.token.keyword or error.token.value
            return f"there is no option {option}{did_you_mean(option, _options(error))}"
        case RepeatArgumentError():
            return f"{error.token.keyword or _name(error)} may stand there only once"
    return _of_argument(error)


def _of_argument(error: CycloptsError) -> str:
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        return f"{_name(error)} {'takes a value' if error.tokens_so_far or error.keyword else 'is missing'}"
    if isinstance(error, ValidationError):
        if isinstance(error.__cause__, pydantic.ValidationError):
            return "; ".join(f"--{_option(fault['loc'])}: {fault['msg']}" for fault in error.__cause__.errors())
        return f"{_name(error)}: {error.exception_message}"
    error.verbose = False
    return " ".join(str(error).split()).rstrip(".")


def _option(path: tuple[int | str, ...]) -> str:
    return ".".join(map(str, path)).replace("_", "-")


def _name(error: CycloptsError) -> str:
    if error.argument is None:
        return "an argument"
    names = error.argument.names
    option = next((name for name in names if name.startswith("--")), names[0])
    return option if error.argument.index is None else option.lstrip("-").upper()


def _options(error: CycloptsError) -> Iterable[str]:
    arguments = getattr(error, "argument_collection", None) or ()
    return [name for argument in arguments for name in argument.names if name.startswith("--")]


def _commands(root: App, chain: list[str]) -> Iterable[str]:
    app = root
    for name in chain:
        app = app[name]
    return [name for name in app if not name.startswith("-")]
