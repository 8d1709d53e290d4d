"""What stops no start, and an operator should hear of: misspelt settings, and private keys that others may read."""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from contracts.suggest import did_you_mean
from services._chassis.settings import known_settings

PREFIX = "surefoot_"
READ_ELSEWHERE = frozenset(
    f"{PREFIX}{name}"
    for name in (
        *("config", "url", "api_key", "api_key_file", "ca_file"),
        *("port", "uid", "config_directory", "policy_directory"),
    )
)
"""The command line and Docker Compose read them, from an environment that a service may share with them."""

_OF_KUBERNETES = re.compile(r"_SERVICE_(HOST|PORT)|_PORT_[0-9]+_(TCP|UDP)|_PORT$")
"""It adds such variables to every container where a service of the cluster is called ``surefoot`` or ``surefoot-…``."""


def misspelt(names: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each variable that is named like a setting and is none: it is ignored."""
    known = known_settings() | READ_ELSEWHERE
    ours = frozenset(name.upper() for name in known if name.startswith(PREFIX))
    for name in sorted(names):
        if name.lower().startswith(PREFIX) and name.lower() not in known and not _OF_KUBERNETES.search(name):
            yield f"there is no setting {name[:100]}, and it is ignored{did_you_mean(name, ours)}"


def exposed(path: Path) -> str:
    """Return a sentence where a private key may be read by others than its owner; empty where it may not."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return ""
    others = "others" if mode & stat.S_IROTH else "its group" if mode & stat.S_IRGRP else ""
    what = f"{path} has a private key that {others} may read (mode {mode:03o})"
    return f"{what}: chmod 600 {path}, or mount it with the mode 0400" if others else ""


def oversights(private: Iterable[Path]) -> Iterator[str]:
    """Yield a sentence for each of both kinds. ``private``: the files of private keys that the process uses."""
    yield from misspelt(os.environ)
    yield from filter(None, map(exposed, sorted(set(private))))
