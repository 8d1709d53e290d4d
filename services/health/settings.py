"""What can be set for health: nothing but what every service has; the rest stands in the policy."""

from services._chassis import settings


class Settings(settings.Settings):
    pass
