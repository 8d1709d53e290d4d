"""How the command line reaches Kafka: by the services' settings (docs/connections.md), as the operators."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.errors import KafkaError

from contracts.topics import Party
from services._chassis.kafka_connection import KafkaConnection, KafkaRefuses, kafka_connection
from services._chassis.records import read_bounded
from services._chassis.settings import Settings
from surefoot.config import settings_read
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo

ANSWER_SECONDS = 15.0
"""The longest that Kafka may be silent."""


def connection() -> KafkaConnection:
    """Return the connection that the environment asks for. Raise ``CannotDo``."""
    with settings_read():
        settings = Settings()
        return kafka_connection(settings, Party.OPERATORS, settings.aws_region)


@asynccontextmanager
async def started(
    kafka: KafkaConnection, client: Any, stop: Callable[[Any], Awaitable[None]], *topics: str, **options: Any
) -> AsyncIterator[Any]:
    """Start one of aiokafka's clients; ``stop`` ends it. Raise ``CannotDo`` where Kafka is away or refuses."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # our own error has it in one sentence
    read_bounded()
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await kafka.probe()
        made = client(*topics, **kafka.arguments, request_timeout_ms=int(ANSWER_SECONDS * 1000), **options)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await made.start()
            yield made
        finally:
            await stop(made)
    except KafkaRefuses as error:
        raise CannotDo(str(error), Exit.FAILED) from None
    except BrokenPipeError:
        raise  # whoever reads our output has had enough
    except (KafkaError, OSError) as error:
        why = str(error) or type(error).__name__
        fault = f"Kafka at {kafka.servers} does not answer ({why}): check KAFKA_BOOTSTRAP_SERVERS"
        raise CannotDo(fault, Exit.FAILED) from error
