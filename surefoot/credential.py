"""The credential that the command line sends: an API key or a token, from the environment or from a file.

It is never an argument, which every user of the machine can read.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from surefoot.exit_codes import Exit
from surefoot.output import CannotDo

KEY, FILE, OPTION = "SUREFOOT_API_KEY", "SUREFOOT_API_KEY_FILE", "--api-key-file"
HOW_TO = f"set {KEY}, or name a file that has the key with {OPTION}"


def authorization() -> dict[str, str]:
    """Return the header of every request; none without a credential. Raise ``CannotDo`` where it cannot be read."""
    credential = os.environ.get(KEY, "").strip()
    if not credential and (path := os.environ.get(FILE)):
        try:
            credential = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise CannotDo(f"{path}, which should have an API key, cannot be read: {why}", Exit.USAGE) from None
    if credential and not (credential.isascii() and credential.isprintable() and " " not in credential):
        raise CannotDo(f"what {KEY} or its file has is no API key: it has spaces or several lines", Exit.USAGE)
    return {"Authorization": f"Bearer {credential}"} if credential else {}


def without_option(tokens: Sequence[str]) -> list[str]:
    """Return a command line without ``--api-key-file``, which every command takes, and keep the file's name.

    Raise ``CannotDo`` where no name follows.
    """
    rest: list[str] = []
    given = iter(tokens)
    for token in given:
        name, equals, path = token.partition("=")
        if name != OPTION:
            rest.append(token)
            continue
        path = path if equals else next(given, "")
        if not path:
            raise CannotDo(f"the name of a file is missing behind {OPTION}", Exit.USAGE)
        os.environ[FILE] = path
        os.environ.pop(KEY, None)  # what is named for this command wins
    return rest
