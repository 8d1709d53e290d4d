"""The principals that sign: sessions of roles, which expire, and users."""

import secrets
import string
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

_CHARACTERS = string.ascii_uppercase + string.digits


@dataclass(frozen=True, slots=True)
class Session:
    """Credentials that STS gave for a role."""

    access_key: str
    secret: str
    token: str
    account: str
    role: str
    """The role's name, without its path."""
    role_id: str
    name: str
    expires: float
    """Real time, in epoch seconds: boto3 renews by the machine's clock."""
    everywhere: bool
    """Whether a regional endpoint gave them: opt-in regions accept no others."""

    @property
    def arn(self) -> str:
        return f"arn:aws:sts::{self.account}:assumed-role/{self.role}/{self.name}"


@dataclass(frozen=True, slots=True)
class Identity:
    """A principal: a user, or a role in a session."""

    account: str
    arn: str
    user_id: str
    session: Session | None = None


class Sessions:
    """All sessions that STS has given out. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """``clock`` returns real time, in epoch seconds."""
        self.clock = clock
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def begin(
        self, account: str, role: str, role_id: str, name: str, seconds: float, *, everywhere: bool = True
    ) -> Session:
        session = Session(
            access_key="ASIA" + _random(16),
            secret=secrets.token_urlsafe(30),
            token=secrets.token_urlsafe(200),
            account=account,
            role=role,
            role_id=role_id,
            name=name,
            expires=self.clock() + seconds,
            everywhere=everywhere,
        )
        with self._lock:
            self._sessions[session.access_key] = session
        return session

    def of(self, access_key: str) -> Session | None:
        with self._lock:
            return self._sessions.get(access_key)

    def is_over(self, session: Session) -> bool:
        return self.clock() >= session.expires

    def expire(self, account: str = "") -> list[str]:
        """End every session in ``account``, or in all; return the ARNs of those that had not ended."""
        now, ended = self.clock(), list[str]()
        with self._lock:
            for key, session in self._sessions.items():
                if account in {"", session.account} and session.expires > now:
                    self._sessions[key] = replace(session, expires=now)
                    ended.append(session.arn)
        return ended


def _random(length: int) -> str:
    return "".join(secrets.choice(_CHARACTERS) for _ in range(length))
