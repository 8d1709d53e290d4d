"""Parses YAML into a tree in which each part has its place, by the rules of YAML 1.2 and stricter ones of our own.

Only ``true`` and ``false`` are booleans; there are no dates and no numbers to the base 60, so that ``12:30``, ``no``
and ``2026-11-27`` are text. What the versions of YAML read differently (``010``, ``True``, ``0x1F``) is a fault
everywhere (``scalars.py``), and so are empty values, keys that stand twice, anchors, aliases, merge keys and tags.
PyYAML tokenises; the rest is ours: its own constructors follow YAML 1.1, keep the last of two equal keys, and expand
aliases without bounds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from services._policy.faults import Fault, Place, joined
from services._policy.scalars import NULL, plain_value

MOST_BYTES = 1_000_000
MOST_DEPTH = 32
MOST_NODES = 100_000
MOST_FAULTS = 200
"""How many faults are reported; more would not be read."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # both give the same events; C's are ten times as fast


@dataclass(slots=True)
class Node:
    """A value and its place; ``value`` is text, a number, true or false, a list of nodes, or a map of entries.

    None stands for a wrong value, about which there is a fault.
    """

    place: Place
    value: "str | int | float | bool | list[Node] | dict[str, Entry] | None"
    raw: str = ""
    """The text of a scalar as it is written."""

    @property
    def plain(self) -> Any:
        """Return the value without places, as JSON has it."""
        match self.value:
            case list(items):
                return [item.plain for item in items]
            case dict(entries):
                return {key: entry.node.plain for key, entry in entries.items()}
            case scalar:
                return scalar


@dataclass(slots=True)
class Entry:
    """A key's place and its value."""

    place: Place
    node: Node


@dataclass(slots=True)
class _Open:
    """A list or map whose end has not been read yet."""

    node: Node
    path: str
    key: tuple[str | None, Place] | None = None
    """In a map, the key whose value comes next; with None for its name, the value is left out."""


class _TooMuchError(Exception):
    """The file exceeds a limit; nothing more is read."""


@dataclass(slots=True)
class _Reading:
    file: str
    faults: list[Fault] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    root: Node | None = None
    nodes: int = 0

    def place(self, mark: Any) -> Place:
        return Place(self.file, mark.line + 1, mark.column + 1)

    def fault(self, place: Place, path: str, sentence: str) -> None:
        self.faults.append(Fault(place, path, sentence))
        if len(self.faults) >= MOST_FAULTS:
            raise _TooMuchError

    def too_much(self, place: Place, sentence: str) -> _TooMuchError:
        self.faults.append(Fault(place, "", sentence))
        return _TooMuchError()


def parse(content: bytes, file: str) -> tuple[Node | None, list[Fault]]:
    """Return the file's one map, and everything that is wrong with its YAML. None: it cannot be read to its end."""
    reading = _Reading(file)
    try:
        for event in _events(_decoded(content, reading), reading):
            _read(event, reading)
    except _TooMuchError:
        return None, reading.faults
    except yaml.MarkedYAMLError as error:
        return None, [*reading.faults, _not_yaml(error, file)]
    except yaml.YAMLError as error:
        return None, [*reading.faults, Fault(Place(file), "", f"this is no YAML: {str(error).splitlines()[0]}")]
    root = reading.root
    if root is None:
        reading.faults.append(Fault(Place(file), "", "the file is empty; it begins with `version: 1`"))
    elif not isinstance(root.value, dict):
        reading.faults.append(Fault(root.place, "", "a policy is a map that begins with `version: 1`"))
        root = None
    return root, reading.faults


def _decoded(content: bytes, reading: _Reading) -> str:
    if len(content) > MOST_BYTES:
        place = Place(reading.file)
        raise reading.too_much(place, f"the file has {len(content)} bytes; {MOST_BYTES} are allowed")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Place(reading.file, content[: error.start].count(b"\n") + 1)
        raise reading.too_much(place, f"byte {error.start} is not UTF-8") from None


def _not_yaml(error: yaml.MarkedYAMLError, file: str) -> Fault:
    mark = error.problem_mark or error.context_mark
    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
    sentence = ", ".join(part for part in (error.context, error.problem) if part)
    return Fault(place, "", f"this is no YAML: {sentence}")


def _events(text: str, reading: _Reading) -> Iterator[Any]:
    for event in yaml.parse(text, Loader=_LOADER):
        yield event
        reading.nodes += 1
        if reading.nodes > MOST_NODES:
            raise reading.too_much(reading.place(event.start_mark), f"the file has more than {MOST_NODES} parts")


def _read(event: Any, reading: _Reading) -> None:
    match event:
        case yaml.DocumentStartEvent():
            _document(event, reading)
        case yaml.AliasEvent():
            place = reading.place(event.start_mark)
            reading.fault(place, _path(reading), f"aliases are not read; write what *{event.anchor} stands for")
            _put(Node(place, None), place, reading)
        case yaml.ScalarEvent():
            _annotations(event, reading)
            _scalar(event, reading)
        case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
            _annotations(event, reading)
            _open(event, reading)
        case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
            reading.stack.pop()
        case _:
            pass


def _document(event: Any, reading: _Reading) -> None:
    place = reading.place(event.start_mark)
    if reading.root is not None:
        raise reading.too_much(place, "a policy file is one document; a second one begins here")
    if event.version not in (None, (1, 2)):
        reading.fault(place, "", "policies are read by the rules of YAML 1.2; leave the %YAML line out")


def _annotations(event: Any, reading: _Reading) -> None:
    place = reading.place(event.start_mark)
    if event.anchor:
        reading.fault(place, _path(reading), "anchors are not read; what services have in common goes to `defaults`")
    if event.tag is not None:
        reading.fault(place, _path(reading), f"tags are not read; leave {event.tag} out")


def _open(event: Any, reading: _Reading) -> None:
    place = reading.place(event.start_mark)
    if len(reading.stack) >= MOST_DEPTH:
        raise reading.too_much(place, f"this is nested more than {MOST_DEPTH} deep")
    path = _path(reading)
    holder = reading.stack[-1] if reading.stack else None
    if holder is not None and isinstance(holder.node.value, dict) and holder.key is None:
        reading.fault(place, path, "a key is a word, not a list or a map")
    node = Node(place, {} if isinstance(event, yaml.MappingStartEvent) else [])
    _put(node, place, reading)
    reading.stack.append(_Open(node, path))


def _scalar(event: Any, reading: _Reading) -> None:
    holder = reading.stack[-1] if reading.stack else None
    if holder is not None and isinstance(holder.node.value, dict) and holder.key is None:
        _key(event, holder, reading)
        return
    place = reading.place(event.start_mark)
    quoted = bool(event.style)
    value, problem = (event.value, "") if quoted else plain_value(event.value)
    if problem:
        reading.fault(holder.key[1] if holder and holder.key and not event.value else place, _path(reading), problem)
        _put(Node(place, None), place, reading)
    else:
        _put(Node(place, value, event.value), place, reading)


def _key(event: Any, holder: _Open, reading: _Reading) -> None:
    """Take a key, which must be text, must not stand twice, and must be no merge key."""
    place, name = reading.place(event.start_mark), event.value
    entries = holder.node.value
    assert isinstance(entries, dict)  # noqa: S101  asked for by the caller
    holder.key = (None, place)
    if not event.style and name == "<<":
        sentence = "merge keys are not read; what services have in common goes to `defaults`"
        reading.fault(place, holder.path, sentence)
    elif not event.style and not isinstance(read := plain_value(name)[0], str):
        what = "nothing" if name in NULL else str(read).lower() if read is not None else "something else than text"
        reading.fault(
            place, joined(holder.path, name), f"a key is text, and YAML makes {what} of this: put it in quotes"
        )
    elif name in entries:
        sentence = f"the key stands twice, first in line {entries[name].place.line}"
        reading.fault(place, joined(holder.path, name), sentence)
    else:
        holder.key = (name, place)


def _put(node: Node, place: Place, reading: _Reading) -> None:
    """Add a value to the list or map that is open."""
    if not reading.stack:
        reading.root = node if reading.root is None else reading.root
        return
    holder = reading.stack[-1]
    if isinstance(holder.node.value, list):
        holder.node.value.append(node)
    elif holder.key is None:
        holder.key = (None, place)  # a list or map where a key belongs; its value is left out, too
    else:
        name, key_place = holder.key
        holder.key = None
        if name is not None and isinstance(holder.node.value, dict):
            holder.node.value[name] = Entry(key_place, node)


def _path(reading: _Reading) -> str:
    """Return the path of the value that comes next."""
    if not reading.stack:
        return ""
    holder = reading.stack[-1]
    if isinstance(holder.node.value, list):
        return joined(holder.path, len(holder.node.value))
    return joined(holder.path, holder.key[0]) if holder.key and holder.key[0] is not None else holder.path
