"""What can be set for the optimizer: nothing but what every service has."""

from services._chassis import settings


class Settings(settings.Settings):
    pass
