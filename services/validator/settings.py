"""The validator's settings: those that every service has. Everything else stands in the policy."""

from services._chassis import settings


class Settings(settings.Settings):
    pass
