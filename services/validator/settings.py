"""The settings of the validator: those that every service has. The rest is in the policy of each service."""

from services._chassis import settings


class Settings(settings.Settings):
    pass
