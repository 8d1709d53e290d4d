"""What becomes of a message that is not handled: it is kept as a dead letter or counted, and its writer is answered."""

from hashlib import sha256
from typing import NamedTuple

import structlog
from redis.exceptions import RedisError

from contracts.dead_letter import Reason, letter_id
from contracts.envelope import read_meta
from contracts.prose import quote
from contracts.signatures import signed_bytes
from contracts.topics import COMMAND_TOPICS, DEPLOYMENT_REQUESTS, Party
from services._chassis.audit.messages import place_of, refused_from
from services._chassis.audit.recorder import Recorder
from services._chassis.clock import moment
from services._chassis.dead_letters import LONGEST_DETAIL, emissions_for, letter_of, unsupported
from services._chassis.readiness import Readiness
from services._chassis.records import Record
from services._chassis.service import Service
from services._chassis.signatures import Untrusted
from services._chassis.store import RedisStore
from services._chassis.tally import Tally
from services._chassis.transition import Busy, Emit, Transition, decided

MOST_UNTRUSTED = 300
"""Dead letters an hour, of each service, about messages that are not believed."""
MOST_REPEATED = 10
"""Dead letters an hour, of each service, about the same signed message: whoever may write to Kafka can repeat it."""
HOUR = 3600
_COMMANDS = {topic.name: party for topic, party in COMMAND_TOPICS.items()}
_ASKED = {**_COMMANDS, DEPLOYMENT_REQUESTS.name: Party.ORCHESTRATOR}
"""Topics of commands and requests → the service that reads them. A message of unknown type there is kept, not
skipped."""

log = structlog.get_logger()


def _digest(record: Record) -> str:
    """Return what all repetitions of a message have in common: the hash of all that is signed of it."""
    return sha256(signed_bytes(record.topic, record.key, record.headers, record.value)).hexdigest()


class Known(NamedTuple):
    """What the inbox knows a message by."""

    cause: str
    before: str = ""
    """What version 0.1.0 knew it by, whose marks are gone 31 days after the upgrade."""


class Unhandled:
    """Takes the messages that one service does not handle."""

    def __init__(self, service: Service, store: RedisStore, readiness: Readiness, recorder: Recorder) -> None:
        self._service = service
        self._store = store
        self._readiness = readiness
        self._recorder = recorder
        self.tally = Tally(store, readiness)
        self._hour = 0
        """Hour of product time of the last message that was not believed."""
        self._full = False
        """Whether so many dead letters about such messages were kept in that hour as may be."""
        self._asked = {topic for topic, party in _ASKED.items() if party == service.name}

    def asks(self, topic: str) -> bool:
        """Return whether the messages of a topic ask this service for something."""
        return topic in self._asked

    async def unknown(self, record: Record, why: str, signed_by: str) -> None:
        """Count and skip an unknown event; keep an unknown command or request, and answer the command."""
        type_, meta = read_meta(record.headers)
        if self.asks(record.topic):
            answer = unsupported(record, type_, meta, why) if record.topic in _COMMANDS else ()
            await self.put_aside(record, "unsupported", why, signed_by, also=answer)
            return
        self.tally.skipped(record.topic)
        log.info("skipped an event of an unknown type", type=type_[:100], topic=record.topic)

    async def distrust(self, record: Record, why: str) -> None:
        """Keep a message that is not believed, up to ``MOST_UNTRUSTED`` an hour; count the others. Nobody is answered.

        Whoever may write to a topic must not be able to fill Redis, or the topic of the dead letters, nor to have what
        is genuine wait: a message beyond the bound costs no call of Redis.
        """
        if await self._has_room():
            await self.keep(record, "untrusted", why)
        else:
            self._recorder.refused_message(why, place_of(record))
        self.tally.untrusted(record.topic, why)

    async def _has_room(self) -> bool:
        """Return whether a dead letter more about a message that is not believed may be kept in this hour."""
        hour = int(self._store.clock.now() // HOUR)
        if self._full and hour == self._hour:
            return False
        write, key = self._store.write_although_full, self._store.key(f"untrusted:{hour}")
        if hour != self._hour:
            await write("SET", key, 0, "NX", "EX", 2 * HOUR)
        self._full = await write("INCR", key) > MOST_UNTRUSTED
        self._hour = hour
        return not self._full

    async def put_aside(
        self, record: Record, reason: Reason, why: str, signed_by: str, *, also: tuple[Emit, ...] = ()
    ) -> None:
        """Keep a message that cannot be read, and publish an answer for its writer where the service has one.

        ``signed_by``: who has proven to have written it. Raise ``Untrusted`` where that may not ask for anything of
        the message's target. Reading goes on even if the answer fails. A signed message that came ``MOST_REPEATED``
        times is counted from then on: anybody can send it again, and the letters that there are hold it.
        """
        repeated = self._store.key("repeated", _digest(record)) if signed_by else ""
        if repeated and int(await self._store.redis.get(repeated) or 0) >= MOST_REPEATED:
            self.tally.repeated(record.topic)
            return
        await self._answer(record, reason, why, signed_by, also)
        if repeated:
            await self._store.write_although_full("SET", repeated, 0, "NX", "EX", HOUR)
            await self._store.write_although_full("INCR", repeated)

    async def _answer(self, record: Record, reason: Reason, why: str, signed_by: str, also: tuple[Emit, ...]) -> None:
        """Keep the message, with its writer's answer where the service has one."""
        if refusal := self._service.refusals.get(record.topic):
            try:
                refused = await refusal(record, signed_by, quote(why, LONGEST_DETAIL))
                await self.keep(record, reason, why, also=also, refused=refused, signed_by=signed_by)
            except (RedisError, OSError, Busy, Untrusted):
                raise
            except Exception as error:
                log.exception(
                    "the writer of a message could not be answered", topic=record.topic, error=type(error).__name__
                )
            else:
                return
        await self.keep(record, reason, why, also=also, signed_by=signed_by)

    async def keep(
        self,
        record: Record,
        reason: Reason,
        detail: str,
        *,
        also: tuple[Emit, ...] = (),
        refused: Transition | None = None,
        known: Known | None = None,
        signed_by: str = "",
    ) -> None:
        """Store a message as a dead letter, once for each group; publish ``also`` and what ``refused`` decides with it.

        The inbox knows it by the message's offset, or as ``known``. ``signed_by``: who has proven to have written it.
        """
        letter = letter_of(record, self._service.name, reason, detail)
        id_ = letter_id(letter)
        log.warning("dead letter", topic=record.topic, reason=reason, detail=letter.detail, letter=id_)
        emit = (*emissions_for(letter, moment(self._store.clock.now())), *also)
        transition = refused.and_emit(*emit) if refused else decided(*emit)
        cause, before = known or Known(f"dead-letter#{id_}")
        with refused_from(record, signed_by):
            await self._store.apply(transition, cause=cause, cause_before=before, cause_id=id_)
