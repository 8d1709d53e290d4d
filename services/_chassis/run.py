"""Runs services, one in a process of its own or all seven in one, and exits by how that ends."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import structlog
from pydantic import ValidationError

from services._chassis.accounts import CredentialsLost
from services._chassis.assembly import load_settings
from services._chassis.clock import Pace
from services._chassis.connections import Connections
from services._chassis.identity import identity_of
from services._chassis.process import Process, parties_of
from services._chassis.readiness import Readiness
from services._chassis.replica_name import NameTaken
from services._chassis.settings import Settings, sentence, without_effect
from services._chassis.startup import StartupError
from services._chassis.telemetry import configure_logs
from services._chassis.watchdog import Stalled
from services._policy.environment import environment_of
from services._policy.faults import PolicyFaults

EXIT_USAGE = 2
EXIT_FAILED = 1
RESOLVING_THREADS = 64
"""Threads of the event loop: Redis and Kafka are found beside as many names that are not answered."""

log = structlog.get_logger()


def main(*modules: str) -> None:
    """Run the services of ``modules`` until SIGTERM or SIGINT; exit non-zero with a sentence where they cannot run."""
    names = [module.rpartition(".")[2] for module in modules]
    service = names[0] if len(names) == 1 else "all"
    configure_logs("info", service)
    try:
        for party in parties_of(modules):
            identity_of(load_settings(party), party, Readiness())
        settings = Settings()
        Connections.of(settings, parties_of(modules))
        Pace.parse(settings.surefoot_clock)
        environment_of(os.environ)
    except ValidationError as error:
        log.error("cannot start", why=sentence(error))  # noqa: TRY400  the operator's sentence
        sys.exit(EXIT_USAGE)
    except (ValueError, PolicyFaults) as error:
        log.error("cannot start", why=str(error))  # noqa: TRY400  the operator's sentence
        sys.exit(EXIT_USAGE)
    configure_logs(settings.surefoot_log_level, service)
    for ignored in without_effect(os.environ.get("SUREFOOT_CONFIG")):
        log.warning("a setting is ignored", why=ignored)
    asyncio.run(_exit_after(_main(modules, settings)))


async def _exit_after(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Exit with the code that ``work`` returns, without waiting for threads that wait for AWS or for a file.

    What lasts is in Redis by then; the leases of jobs that did not end run out by themselves.
    """
    code = await work
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _main(modules: tuple[str, ...], settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # names of watched applications are resolved there, too, and a resolver may take its time
    loop.set_default_executor(ThreadPoolExecutor(RESOLVING_THREADS, "resolving"))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    process, code = Process(modules, settings), 0
    try:
        await process.run(stop)
    except StartupError as error:
        log.error("cannot start", why=str(error))  # noqa: TRY400  the operator's sentence
        code = EXIT_FAILED
    except (Stalled, CredentialsLost, NameTaken) as error:
        log.error("the process ends so that its supervisor starts it again", why=str(error))  # noqa: TRY400  no bug
        code = EXIT_FAILED
    except Exception:
        log.exception("a loop failed; the process ends so that its supervisor starts it again")
        code = EXIT_FAILED
    if process.unfinished:
        log.warning("left with work in flight", unfinished=process.unfinished)
    return code
