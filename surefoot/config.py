"""Reads the settings as the services do, and says in a sentence what is wrong with them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module

from pydantic import ValidationError

from contracts.topics import SERVICES
from services._chassis.config_file import read_config
from services._chassis.settings import known_settings, sentence
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo


@contextmanager
def settings_read() -> Iterator[None]:
    """Raise ``CannotDo`` where settings, or the file of ``SUREFOOT_CONFIG``, cannot be used inside."""
    try:
        yield
    except ValidationError as error:
        raise CannotDo(sentence(error), Exit.USAGE) from None
    except ValueError as error:
        raise CannotDo(str(error), Exit.USAGE) from None


def check_settings(given: Mapping[str, str]) -> None:
    """Read the environment and ``SUREFOOT_CONFIG`` as each service will. Raise ``CannotDo`` with a sentence.

    ``given``: what will be in the environment of the services besides.
    """
    known = {name.lower(): value for name, value in given.items()}
    with settings_read():
        for service in SERVICES:
            import_module(f"services.{service}.settings").Settings(**known)


def check_config_file(variables: Mapping[str, str]) -> None:
    """Raise ``CannotDo`` where the file of ``SUREFOOT_CONFIG`` is not there, is no YAML, or has an unknown setting."""
    if path := variables.get("SUREFOOT_CONFIG"):
        with settings_read():
            read_config(path, known_settings())
