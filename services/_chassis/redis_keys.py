"""Where a service's data lies in Redis, and for how long.

Every key begins with the service's name as hash tag, so that a script's keys share a slot and no service reads another
service's keys.
"""

REMEMBER_SECONDS = 31 * 24 * 3600
"""How long causes, answers, ended jobs and records are kept: longer than any topic's retention."""
ANSWER = "kept"
"""Begins the keys of answers, which are kept to be given again."""
ANSWER_BEFORE = "answered"
"""Begins the keys under which the version before kept them: it finds none of this version's, which it cannot read."""
COUNTERS = "counters"
"""The hash of what was counted in place of being kept, by its name."""
AUDIT = "audit"
"""The stream of what is to get its place in the audit's chain (``audit/sealer.py``)."""
JOBS, FIRST_JOBS = "jobs", "jobs-first"
"""The queues of jobs, by when they may be claimed; those of the second one wait for none of the first."""


def key_of(service: str, *parts: str) -> str:
    """Return a key of a service, such as ``{recovery}:state:…``."""
    return ":".join((f"{{{service}}}", *parts))
