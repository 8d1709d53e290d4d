"""Reads scenario files; each error in a file is reported with its line."""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from contracts.prose import plain
from sandbox.scenarios.behaviour import RUNNING_TAG, Behaviour
from sandbox.scenarios.model import Scenario

MOST_BYTES = 100_000


class Unreadable(Exception):
    """A file is no scenario; the text has a line for each fault: ``FILE:LINE: what is wrong``."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(map(plain, faults)))


@cache
def shipped() -> Mapping[str, Scenario]:
    """The scenarios that come with the sandbox, by name."""
    found = sorted(files(__package__).joinpath("files").iterdir(), key=lambda file: file.name)
    read = [parsed(file.read_text(), file.name) for file in found if file.name.endswith(".yaml")]
    return {scenario.name: scenario for scenario in read}


def images() -> dict[str, Behaviour]:
    """Return tag → behaviour of each image of the shipped scenarios."""
    return {name: scenario.image for name, scenario in shipped().items()}


def load(path: Path) -> Scenario:
    """Read a file. Raise ``Unreadable``."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Unreadable(f"{path}: larger than {MOST_BYTES} bytes; that is no scenario")
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Unreadable(f"{path}: cannot be read: {reason}") from error
    return parsed(text, str(path), {RUNNING_TAG, path.stem, *shipped()})


def parsed(text: str, file: str, tags: Collection[str] | None = None) -> Scenario:
    """Read what a file says; its name is the scenario's. Raise ``Unreadable``. ``tags``: the repository's, if known."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Unreadable(f"{file}:{line}: no YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Unreadable(f"{file}:1: no YAML: {error}") from error
    if twice := sorted(_twice(root)):
        raise Unreadable(*(f"{file}:{line}: {key} stands here twice" for line, key in twice))
    if not isinstance(document, dict) or "name" in document:
        raise Unreadable(f"{file}:1: a scenario has teaches, image, world, config and expect; its name is the file's")
    name = Path(file).stem
    image = document.get("image") or {}
    if isinstance(image, dict):
        document["image"] = {**image, "name": name}
    if tags is not None:
        tags = {*tags, *_own_tags(document)}
    try:
        return Scenario.model_validate({**document, "name": name}, context={"tags": tags})
    except ValidationError as error:
        faults = sorted(
            {(_line(root, wrong["loc"]), f"{_place(wrong['loc'])}{_sentence(wrong)}") for wrong in error.errors()}
        )
        raise Unreadable(*(f"{file}:{line}: {what}" for line, what in faults)) from error


def _own_tags(document: dict[str, Any]) -> Collection[str]:
    """Return the keys of the images that a file describes, so far as it is what it should be."""
    world = document.get("world")
    images = world.get("images") if isinstance(world, dict) else None
    return [str(key) for key in images] if isinstance(images, dict) else []


def _twice(root: Any) -> Iterator[tuple[int, str]]:
    """Yield line and name of each key that stands twice in one mapping: YAML would silently take the last."""
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue  # an alias
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            known: set[str] = set()
            for key, value in node.value:
                if str(key.value) in known:
                    yield key.start_mark.line + 1, str(key.value)
                known.add(str(key.value))
                waiting.append(value)


def _sentence(fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        return "there is no such part of a scenario"
    return str(fault["msg"]).removeprefix("Value error, ")


def _place(where: tuple[int | str, ...]) -> str:
    return f"{'.'.join(map(str, where))}: " if where else ""


def _line(root: Any, where: tuple[int | str, ...]) -> int:
    """Return the line, from 1, of the deepest part of the path that the document has."""
    node, line = root, root.start_mark.line
    for part in where:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        else:
            break
    return int(line) + 1
