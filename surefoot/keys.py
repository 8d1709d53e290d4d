"""``surefoot keys``: make, list, revoke and forget the API keys.

It speaks to Redis itself, so that the first key needs none; whoever may write to Redis may do all of this.
"""

import asyncio
import socket
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from cyclopts import App, Parameter
from pydantic import TypeAdapter, ValidationError
from redis.exceptions import RedisError

from contracts.access import Role, ShortName
from contracts.audit import Act, AuditEntry, Who
from services._chassis.access import api_keys
from services._chassis.access.api_keys import LONGEST_DAYS, KeyRecord
from services._chassis.access.key_ring import KeyStore
from services._chassis.redis_connection import RedisConnection
from services._chassis.settings import Settings
from surefoot.arguments import user_name
from surefoot.config import settings_read
from surefoot.credential import HOW_TO
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, Json, note, result

T = TypeVar("T")
app = App(
    name="keys",
    help="Make, list and revoke the keys with which callers use the API.",
    default_parameter=Parameter(negative_iterable=()),
    help_format="plaintext",
)
Id = Annotated[str, Parameter(name="ID", help="Of `surefoot keys list`.")]


@app.command
def create(
    name: Annotated[str, Parameter(help="Who is to hold it; the policy gives roles to key:NAME.")],
    *,
    role: Annotated[
        Role | None,
        Parameter(
            help="What it may do with every service, besides what the policy says. A second key of the name has the "
            "role of the first."
        ),
    ] = None,
    days: Annotated[int, Parameter(help="How long it holds.")] = 90,
    json: Json = False,
) -> int:
    """Make a key, and print it: it is shown this once. A name may have two at a time, while one replaces the other."""
    if not 1 <= days <= LONGEST_DAYS:
        raise CannotDo(f"--days is a number from 1 to {LONGEST_DAYS}", Exit.USAGE)
    try:
        TypeAdapter(ShortName).validate_python(name)
    except ValidationError:
        raise CannotDo("a name has small letters, digits and hyphens", Exit.USAGE) from None

    async def make(store: KeyStore) -> tuple[str, KeyRecord]:
        known = [*(await store.all()).values()]
        try:
            key, record = api_keys.create(name, role, days, known, _now(), user_name())
        except ValueError as error:
            raise CannotDo(str(error), Exit.USAGE) from None
        await store.keep(record, _audited(Act.KEY_CREATED, record))
        return key.text, record

    text, record = _with_store(make)
    result({"key": text, **_facts(record, None)}, json, lambda shown: str(shown["key"]))
    note(
        f"{record.id} is {record.role or 'what the policy gives it'} as key:{name} until {record.expires_at:%Y-%m-%d}. "
        f"The key is shown this once: {HOW_TO}."
    )
    return Exit.SUCCEEDED


@app.command(name="list")
def list_(*, json: Json = False) -> int:
    """List the keys: who holds them, their roles, until when they hold, when they were used last."""

    async def read(store: KeyStore) -> tuple[list[KeyRecord], dict[str, datetime]]:
        found = (await store.all()).values()
        return sorted(found, key=lambda record: (record.name, record.created_at)), await store.uses()

    records, uses = _with_store(read)
    lines = [_line(record, uses.get(record.id)) for record in records]
    facts = [_facts(record, uses.get(record.id)) for record in records]
    none = "there are no keys: surefoot keys create makes one"
    result({"keys": facts}, json, lambda _: "\n".join(lines) or none)
    return Exit.SUCCEEDED


@app.command
def revoke(id_: Id, /) -> int:
    """Have a key hold no more, from the next request on, everywhere."""

    async def change(store: KeyStore) -> None:
        record = (await _found(store, id_)).revoked(_now())
        await store.keep(record, _audited(Act.KEY_REVOKED, record))

    _with_store(change)
    return Exit.SUCCEEDED


@app.command
def forget(id_: Id, /) -> int:
    """Remove a key that does not hold any more from the list."""

    async def change(store: KeyStore) -> None:
        record = await _found(store, id_)
        if not record.why_not(_now()):
            raise CannotDo(f"{id_} still holds: revoke it first", Exit.USAGE)
        if not await store.forget(id_, _audited(Act.KEY_FORGOTTEN, record)):
            raise CannotDo(
                f"{id_} is the last key, and shows that keys are in use: without any, callers on the machine itself "
                "would be served; make another one first",
                Exit.USAGE,
            )

    _with_store(change)
    return Exit.SUCCEEDED


async def _found(store: KeyStore, id_: str) -> KeyRecord:
    record = await store.find(id_)
    if record is None:
        raise CannotDo(f"there is no key {id_[:40]}: see surefoot keys list", Exit.USAGE)
    return record


def _audited(act: Act, record: KeyRecord) -> AuditEntry:
    """Return what the audit records of a change. Nobody has proven who changes it, but that he may write to Redis."""
    details = (f"key:{record.name} {record.id}", f"role {record.role or 'by the policy'}")
    return AuditEntry(
        id=str(uuid.uuid4()),
        time=_now(),
        act=act,
        who=Who(name=user_name(), proof="redis"),
        where=f"surefoot keys on {socket.gethostname()}",
        details=(*details, f"until {record.expires_at:%Y-%m-%d}"),
    )


def _with_store(work: Callable[[KeyStore], Awaitable[T]]) -> T:
    """Do something with the keys of the Redis that the services' settings name."""

    async def connected() -> T:
        redis = _connection().client()
        try:
            return await work(KeyStore(redis))
        except (RedisError, OSError) as error:
            why = type(error).__name__
            raise CannotDo(f"Redis cannot be used ({why}): REDIS_URL names the services' Redis", Exit.FAILED) from None
        finally:
            await redis.aclose()

    return asyncio.run(connected())


def _connection() -> RedisConnection:
    with settings_read():
        settings = Settings()
        return RedisConnection.of(settings, settings.aws_region)


def _now() -> datetime:
    return datetime.now(UTC)


def _facts(record: KeyRecord, used_at: datetime | None) -> dict[str, Any]:
    shown = record.model_dump(mode="json", exclude={"digest"})
    return {**shown, "used_at": used_at and used_at.isoformat(), "holds": not record.why_not(_now())}


def _line(record: KeyRecord, used_at: datetime | None) -> str:
    state = record.why_not(_now()).removeprefix("the key ") or f"until {record.expires_at:%Y-%m-%d}"
    used = f"used {used_at:%Y-%m-%d %H:%M}" if used_at else "never used"
    return f"{record.id}  key:{record.name}  {record.role or 'by the policy'}  {state}  {used}"
