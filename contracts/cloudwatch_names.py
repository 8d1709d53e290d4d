"""The names of a service's alarms and of its dashboard in CloudWatch. No two services share one.

Names of clusters and services consist of letters, digits, ``-`` and ``_`` (Amazon ECS API reference, CreateService). An
alarm's name may have any other character as well; a dashboard's may not (CloudWatch API reference, PutMetricAlarm and
PutDashboard). Both may have 255 characters.
"""

from hashlib import sha256

OURS = "surefoot-"
"""What the names of Surefoot's alarms and dashboards begin with: its role may change no others."""
LONGEST = 200
"""Characters; the name of a rule, 40 at most, comes after it."""
FORM = 1
"""The form of these names; the previous version, whose names could meet, had 0."""


def alarm_prefix(cluster: str, service: str) -> str:
    """Return ``surefoot-<cluster>/<service>-``, which the name of the rule follows; rules' names have no ``-``."""
    return f"{_shortened(f'{OURS}{cluster}/{service}', '#')}-"


def further(name: str, number: int) -> str:
    """Return the name of the second alarm and of later ones of a rule that has several; rules' names have no ``/``."""
    return name if number == 1 else f"{name}/{number}"


def is_further(name: str) -> bool:
    return "/" in name.rpartition("-")[2]


def dashboard_name(cluster: str, service: str) -> str:
    """Return ``surefoot-<cluster>-_-<service>`` with each ``_`` of the two names doubled: one alone is the border."""
    doubled = (name.replace("_", "__") for name in (cluster, service))
    return _shortened(f"{OURS}{'-_-'.join(doubled)}", "_-_")


def former_name(cluster: str, service: str) -> str:
    """Return how the previous version named the dashboard, and began the names of the alarms."""
    return _shortened(f"{OURS}{cluster}-{service}", "-", digits=9)


def _shortened(name: str, before_hash: str, digits: int = 20) -> str:
    """Return the name; where it is too long, its beginning and a hash of it behind what no other name has."""
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - len(before_hash) - digits]}{before_hash}{sha256(name.encode()).hexdigest()[:digits]}"
