"""``surefoot signing-keys``: make, trust, retire and remove the keys with which messages are signed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from contracts.topics import SERVICES, TOPICS, Party
from services._chassis import signing_keys
from services._chassis.oversights import exposed
from services._chassis.signing_keys import SIGNING, KeyFault, TrustedKey
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, Json, exports, note, result

app = App(
    name="signing-keys",
    help="Make and list the keys with which messages are signed.",
    default_parameter=Parameter(negative_iterable=()),
    help_format="plaintext",
)

LONGEST_KEPT = timedelta(seconds=max(topic.retention_seconds for topic in TOPICS))
"""How long a message may be read again: until then the key that has signed it must be trusted."""
Directory = Annotated[
    Path, Parameter(help="Where the keys are: HOLDER/key.pem for each, and trusted/trusted.yaml for all.")
]
KEYS = Path("keys")


@app.command
def init(*, directory: Directory = KEYS) -> int:
    """Make a key for each service, for CI and for operators, where there is none yet; print the settings."""
    exports(_kept(lambda: signing_keys.create_all(directory.resolve())))
    return Exit.SUCCEEDED


@app.command
def create(
    party: Annotated[str, Parameter(help=f"Who is to hold it: {', '.join(SIGNING)}.")],
    *,
    name: Annotated[str, Parameter(help="Which outsider of several, as team-a; for ci and operators.")] = "",
    directory: Directory = KEYS,
    json: Json = False,
) -> int:
    """Make one more key and trust it. A party may have several, as while one replaces the other."""
    if party not in SIGNING:
        raise CannotDo(f"{party!r} signs nothing; one of {', '.join(SIGNING)} does", Exit.USAGE)
    if name and (party in SERVICES or not signing_keys.NAME.fullmatch(name)):
        raise CannotDo("--name is for ci and operators, and has small letters, digits and hyphens", Exit.USAGE)
    if name in {*SIGNING, "trusted"}:
        raise CannotDo(f"--name may not be {name}: the directory of that name is for other keys", Exit.USAGE)
    path = signing_keys.private_path(directory, name or party)
    if path.exists():
        kept = path.with_name("previous.pem")
        path.replace(kept)
        note(f"the key that was there is {kept} now, and still trusted")
    key = signing_keys.create(directory, Party(party), name)
    _change(directory, lambda keys: [*keys, key])
    result(_facts(key), json, lambda _: f"{key.id} {key.named}: {path}")
    return Exit.SUCCEEDED


@app.command(name="list")
def list_(*, directory: Directory = KEYS, json: Json = False) -> int:
    """List the keys that are trusted."""
    keys = _read(directory)
    for sentence in filter(None, map(exposed, sorted(directory.glob(f"*/{signing_keys.PRIVATE}")))):
        note(sentence)
    lines = (f"{key.id}  {key.named}{f'  until {key.until.isoformat()}' if key.until else ''}" for key in keys)
    result({"keys": [_facts(key) for key in keys]}, json, lambda _: "\n".join(lines) or "no keys are trusted")
    return Exit.SUCCEEDED


@app.command
def retire(
    id_: Annotated[str, Parameter(name="ID", help="Of `surefoot signing-keys list`.")],
    /,
    *,
    directory: Directory = KEYS,
) -> int:
    """Believe what a key signs from now on no more; what it has signed before can still be read again."""
    now = datetime.now(UTC)
    _change(directory, lambda keys: [signing_keys.retired(key, now) if key.id == id_ else key for key in keys], id_)
    return Exit.SUCCEEDED


@app.command
def remove(
    id_: Annotated[str, Parameter(name="ID", help="Of `surefoot signing-keys list`.")],
    /,
    *,
    stolen: Annotated[
        bool, Parameter(negative="", help="At once: somebody else has it. What it has signed is believed no more.")
    ] = False,
    directory: Directory = KEYS,
) -> int:
    """Trust a key no more. It must have been retired for as long as a message may be read again."""
    key = next((key for key in _read(directory) if key.id == id_), None)
    now = datetime.now(UTC)
    if key is not None and not stolen and (key.until is None or now < key.until + LONGEST_KEPT):
        first = "retire it first" if key.until is None else f"wait until {(key.until + LONGEST_KEPT).date()}"
        raise CannotDo(
            f"what {id_} has signed may be read again for {LONGEST_KEPT.days} days: {first}, or say --stolen",
            Exit.USAGE,
        )
    _change(directory, lambda keys: [key for key in keys if key.id != id_], id_)
    return Exit.SUCCEEDED


def _facts(key: TrustedKey) -> dict[str, str]:
    return {"id": key.id, "holder": key.named, **key.entry}


def _read(directory: Path) -> list[TrustedKey]:
    path = signing_keys.trusted_path(directory)
    return [*_kept(lambda: signing_keys.read_trusted(path)).values()] if path.exists() else []


def _change(directory: Path, change: Callable[[list[TrustedKey]], list[TrustedKey]], id_: str = "") -> None:
    keys = _read(directory)
    if id_ and id_ not in {key.id for key in keys}:
        raise CannotDo(f"no key {id_} is trusted: see surefoot signing-keys list", Exit.USAGE)
    path = signing_keys.trusted_path(directory)
    path.parent.mkdir(parents=True, exist_ok=True)
    signing_keys.write_trusted(path, change(keys))


def _kept(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (KeyFault, OSError) as error:
        raise CannotDo(str(error), Exit.USAGE) from error
