"""Checks the settings of the services before anything is started."""

from collections.abc import Mapping
from importlib import import_module

from pydantic import ValidationError

from contracts.topics import SERVICES
from services._chassis.settings import sentence
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo


def check_settings(given: Mapping[str, str]) -> None:
    """Read the environment and ``SUREFOOT_CONFIG`` as each service will. Raise ``CannotDo`` with a sentence.

    ``given``: what will be in the environment of the services besides.
    """
    known = {name.lower(): value for name, value in given.items()}
    try:
        for service in SERVICES:
            import_module(f"services.{service}.settings").Settings(**known)
    except ValidationError as error:
        raise CannotDo(sentence(error), Exit.USAGE) from error
    except ValueError as error:
        raise CannotDo(str(error), Exit.USAGE) from error
