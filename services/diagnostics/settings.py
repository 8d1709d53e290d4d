"""The settings of diagnostics: those that every service has."""

from services._chassis import settings


class Settings(settings.Settings):
    """Nothing of its own: what counts as an issue is a rule in ``domain/``, not a setting."""
