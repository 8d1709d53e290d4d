"""``surefoot dead-letters``: what no service could handle, and what to do about it."""

import asyncio
import base64
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from cyclopts import App, Parameter

from contracts.dead_letter import GROUP_HEADER, LETTER_HEADER, REPLAY_HEADER, Reason
from contracts.prose import plain
from surefoot import dead_letter_topic
from surefoot.arguments import Reason as Why
from surefoot.arguments import short_name
from surefoot.dead_letter_topic import Letter
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, Json, agreed, note, result
from surefoot.readable import plural

app = App(
    name="dead-letters",
    help="Look at messages that no service could handle; replay or drop them.",
    default_parameter=Parameter(negative_iterable=()),
    help_format="plaintext",
)

Actor = Annotated[str, Parameter(validator=short_name, help="Who decides this.")]
SHORT = 8
PUBLIC = (GROUP_HEADER, LETTER_HEADER, REPLAY_HEADER, "content-type")
"""Headers whose values are shown; besides them all of CloudEvents' own."""


@app.command(name="list")
def list_(
    *,
    group: Annotated[str | None, Parameter(help="Of this service only.")] = None,
    reason: Annotated[Reason | None, Parameter(help="Put aside for this reason only.")] = None,
    settled: Annotated[bool, Parameter(name="--all", negative="", help="Settled ones, too.")] = False,
    json: Json = False,
) -> int:
    """List the open letters, the oldest first."""
    read = asyncio.run(dead_letter_topic.read())
    if read.unreadable:
        note(f"{read.unreadable} messages on the topic could not be read by this version")
    if not read.proven:
        note("no signature was looked at: set SUREFOOT_TRUSTED_KEYS, so that no forged letter is shown or replayed")
    if read.untrusted:
        what = "are not signed by who may write there, and are not shown"
        note(f"{read.untrusted} messages on the topic {what}")
    chosen = [
        letter
        for letter in read.all
        if (settled or letter.settled is None)
        and group in {None, letter.body.group}
        and reason in {None, letter.body.reason}
    ]
    short = _short([letter.id for letter in read.all])
    none = "no dead letters" if settled else "no open dead letters"
    found = {"letters": [_facts(letter) for letter in chosen]}
    result(found, json, lambda shown: "\n".join(_line(letter, short) for letter in shown["letters"]) or none)
    return Exit.SUCCEEDED


@app.command
def show(
    id_: Annotated[str, Parameter(name="ID", help="Its id, or the beginning of it.")],
    /,
    *,
    value: Annotated[bool, Parameter(negative="", help="Its content and all headers, which may be private.")] = False,
    json: Json = False,
) -> int:
    """Show a letter; the first characters of its id are enough."""
    (letter,) = _named([id_])
    facts = _facts(letter) | {"key": _text(letter.body.key), "headers": _headers(letter, value=value)}
    if value:
        held = letter.body.value
        facts["value"] = _text(held) if not json or held is None else base64.b64encode(held).decode()
    result(facts, json, _described)
    return Exit.SUCCEEDED


@app.command
def replay(
    *ids: Annotated[str, Parameter(name="ID", help="Their ids, or the beginnings of them.")],
    reason: Why = "",
    actor: Actor = "surefoot cli",
    again: Annotated[bool, Parameter(negative="", help="Also what is settled.")] = False,
    yes: Annotated[bool, Parameter(negative="", help="Do it without asking.")] = False,
    json: Json = False,
) -> int:
    """Publish messages again for the group that could not handle them. What it did handle, it drops.

    What each message is and where it goes is shown first, on stderr.
    """
    named = _named(ids)
    _refuse(named, lambda letter: letter.refusal(again=again))
    for letter in named:
        note(_way_of(letter))
    if not yes and not agreed(f"Publish {plural(len(named), 'message')} again?"):
        raise CannotDo("nothing was done: --yes publishes what is shown above", Exit.USAGE)
    asyncio.run(dead_letter_topic.replay(named, actor, reason))
    return _settled("replayed", named, json)


@app.command
def drop(
    *ids: Annotated[str, Parameter(name="ID", help="Their ids, or the beginnings of them.")],
    reason: Why,
    actor: Actor = "surefoot cli",
    json: Json = False,
) -> int:
    """Settle letters without a replay."""
    named = _named(ids)
    _refuse(named, lambda letter: f"it was {letter.settled.how} already" if letter.settled else None)
    asyncio.run(dead_letter_topic.drop(named, actor, reason))
    return _settled("dropped", named, json)


def _named(ids: Sequence[str]) -> tuple[Letter, ...]:
    if not ids:
        raise CannotDo("name at least one letter; surefoot dead-letters list shows them", Exit.USAGE)
    prefixes = tuple(id_.lower() for id_ in ids)
    return asyncio.run(dead_letter_topic.read(lambda id_: id_.startswith(prefixes))).named(prefixes)


def _refuse(named: tuple[Letter, ...], refusal: Callable[[Letter], str | None]) -> None:
    """Raise ``CannotDo`` if any of the letters is refused: either all are settled or none."""
    refused = [f"{letter.id}: {why}" for letter in named if (why := refusal(letter))]
    if refused:
        raise CannotDo(f"nothing was done. {'; '.join(refused)}", Exit.BLOCKED)


def _settled(how: str, named: tuple[Letter, ...], as_json: bool) -> int:
    lines = (plain(f"{how} {letter.id} ({letter.body.group}, {letter.body.subject})") for letter in named)
    result({how: [letter.id for letter in named]}, as_json, lambda _: "\n".join(lines))
    return Exit.SUCCEEDED


def _facts(letter: Letter) -> dict[str, Any]:
    """Return what may be shown to anyone who may see the log."""
    facts = letter.body.model_dump(mode="json", exclude={"key", "headers", "value"})
    word = letter.settled
    settled = word and word.model_dump(mode="json", include={"how", "actor", "reason"})
    return {"id": letter.id, "time": letter.time.isoformat()} | facts | {"settled": settled}


def _way_of(letter: Letter) -> str:
    """Return what a letter's message is, and where a replay takes it."""
    body = letter.body
    kinds = [_text(held) for name, held in body.headers if name == "ce_type"]
    type_, about = kinds[0] if kinds else None, _text(body.key)
    what = f"{type_ or 'a message without a type'} about {about or 'nothing that its key names'}"
    return plain(f"{letter.id[:SHORT]}: {what}, to {body.topic} for {body.group} ({body.reason}: {body.detail})")


def _line(letter: dict[str, Any], short: int) -> str:
    columns = (
        letter["id"][:short],
        letter["time"][:19].replace("T", " "),
        f"{letter['group']:12}",
        f"{letter['topic']}/{letter['partition']}/{letter['offset']}".ljust(28),
        f"{letter['reason']:11}",
        letter["detail"] + (f" [{_word(letter['settled'])}]" if letter["settled"] else ""),
    )
    return "  ".join(columns)


def _described(facts: dict[str, Any]) -> str:
    width = max(map(len, facts))
    return "\n".join(f"{name:{width}}  {_shown(fact)}" for name, fact in facts.items() if fact not in (None, False))


def _word(settled: dict[str, str]) -> str:
    return f"{settled['how']} by {settled['actor']}" + (f": {settled['reason']}" if settled["reason"] else "")


def _short(ids: list[str]) -> int:
    """Return how many characters tell all ids apart."""
    return next(length for length in range(SHORT, 37) if len({id_[:length] for id_ in ids}) == len(ids))


def _headers(letter: Letter, *, value: bool) -> list[list[str | None]]:
    return [
        [name, _text(held) if value or name.startswith("ce_") or name in PUBLIC else "(hidden)"]
        for name, held in letter.body.headers
    ]


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode(errors="backslashreplace")


def _shown(fact: Any) -> str:
    if isinstance(fact, list):
        return ", ".join(f"{name}={'null' if held is None else held}" for name, held in fact)
    return _word(fact) if isinstance(fact, dict) else str(fact)
