"""The Python client of the API."""

import os
import time
import uuid
from typing import Any

import httpx2

TIMEOUT_SECONDS = 15.0
STARTING_SECONDS = 60.0
"""How long Surefoot may take to start, its own limit, while a call waits for it."""
AGAIN_SECONDS = 0.5
_NOT_YET = frozenset({502, 503})
"""A service is starting or without Redis (503), or the front door cannot reach it (502)."""


class Refused(Exception):
    """The API said no; the text says why and what to do. ``status`` is the HTTP status, 0 without an answer."""

    def __init__(self, detail: str, status: int = 0) -> None:
        super().__init__(detail)
        self.status = status


class Surefoot:
    """Surefoot at ``url``; by default ``SUREFOOT_URL``, or this machine's port 8080.

    A call that Surefoot is not ready for is sent again for ``STARTING_SECONDS``; what changes something carries an
    ``Idempotency-Key``, so that it is done once however often it is sent.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = (url or os.environ.get("SUREFOOT_URL") or "http://127.0.0.1:8080").rstrip("/")
        self._http = httpx2.Client(base_url=f"{self.url}/api/v1", timeout=TIMEOUT_SECONDS)

    def orchestrate(self, cluster: str, service: str, body: dict[str, Any], *, key: str | None = None) -> str:
        """Ask for a deployment; return the run's id. The same ``key`` is the same run."""
        path = f"/deployment-orchestration/orchestrate/{cluster}/{service}"
        return str(self._post(path, body, key)["run_id"])

    def status(
        self, cluster: str, service: str, run_id: str | None = None, *, patience: float = STARTING_SECONDS
    ) -> dict[str, Any]:
        """Return a run: the one named, or the target's newest. ``patience`` is in real seconds."""
        parameters = {"run_id": run_id} if run_id else {}
        path = f"/deployment-orchestration/status/{cluster}/{service}"
        return self._call("GET", path, patience=patience, params=parameters)

    def snapshots(self, cluster: str, service: str) -> dict[str, Any]:
        return self._call("GET", f"/disaster-recovery/snapshots/{cluster}/{service}")

    def roll_back(self, cluster: str, service: str, snapshot_id: str, *, dry_run: bool) -> dict[str, Any]:
        body = {"snapshot_id": snapshot_id, "dry_run": dry_run}
        return self._post(f"/disaster-recovery/rollback/{cluster}/{service}", body)

    def operation(self, id_: str) -> dict[str, Any]:
        return self._call("GET", f"/disaster-recovery/operations/{id_}")

    def ready(self) -> bool:
        """Whether everything that Surefoot needs answers."""
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx2.HTTPError:
            return False

    def _post(self, path: str, body: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        return self._call("POST", path, json=body, headers={"Idempotency-Key": key or str(uuid.uuid4())})

    def _call(self, method: str, path: str, *, patience: float = STARTING_SECONDS, **arguments: Any) -> dict[str, Any]:
        deadline = time.monotonic() + patience
        while True:
            answer = self._send(method, path, **arguments)
            if answer.status_code not in _NOT_YET or time.monotonic() > deadline:
                return _body_of(answer, f"{method} {path}")
            time.sleep(AGAIN_SECONDS)

    def _send(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        try:
            return self._http.request(method, path, **arguments)
        except httpx2.HTTPError as error:
            raise Refused(
                f"Surefoot does not answer at {self.url} ({type(error).__name__}): "
                "start it (make up), or set SUREFOOT_URL"
            ) from error


def _body_of(answer: httpx2.Response, request: str) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    if answer.status_code >= 400:
        detail = body.get("detail") if isinstance(body, dict) else None
        raise Refused(str(detail or f"{request} answered {answer.status_code}"), answer.status_code)
    return body if isinstance(body, dict) else {"items": body}
