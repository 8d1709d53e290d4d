"""The YAML file of settings that ``SUREFOOT_CONFIG`` names."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml

from contracts.suggest import did_you_mean


class ConfigError(ValueError):
    """The file cannot be used; the text is a sentence for the operator, without the file's values."""


def read_config(path: str, known: Collection[str]) -> dict[str, Any]:
    """Return the settings of the file, by the names in ``known``; the file may use any case. Raise ``ConfigError``.

    An empty file sets nothing. A key that is not known is refused: ignored, it would be a threshold that does not hold.
    """
    root = _parsed(path)
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{path}: SUREFOOT_CONFIG must name a file of NAME: value lines")
    if faults := list(_faults(root, known)):
        raise ConfigError("; ".join(f"{path}:{line}: {what}" for line, what in faults))
    values = yaml.constructor.SafeConstructor().construct_document(root)
    return {str(name).lower(): value for name, value in values.items()}


class ConfigWatch:
    """Finds the settings of the file that have changed since the start: each takes effect with a restart only."""

    def __init__(self, path: str | None, known: Collection[str]) -> None:
        """Read the file, if there is one. Raise ``ConfigError``."""
        self._path = path
        self._known = known
        self._begun_with = self._read()

    def changed(self) -> list[str]:
        """Return the names of changed, new and removed settings. Raise ``ConfigError``: the next start would fail."""
        before, now = self._begun_with, self._read()
        return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))

    def _read(self) -> dict[str, Any]:
        return read_config(self._path, self._known) if self._path else {}


def _parsed(path: str) -> Any:
    try:
        text = Path(path).read_text()
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"SUREFOOT_CONFIG names {path}, which cannot be read: {reason}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: no YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: no YAML") from error


def _faults(root: yaml.MappingNode, known: Collection[str]) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for key, _ in root.value:
        line, name = key.start_mark.line + 1, str(key.value).lower()
        if name not in known:
            yield line, f"there is no setting {str(key.value)[:100]}{did_you_mean(name, known)}"
        if name in seen:
            yield line, f"{key.value} stands here twice"
        seen.add(name)
