"""The Python client of the API."""

import os
from typing import Any

import httpx2

TIMEOUT_SECONDS = 15.0


class Refused(Exception):
    """The API said no; the text says why and what to do. ``status`` is the HTTP status, 0 without an answer."""

    def __init__(self, detail: str, status: int = 0) -> None:
        super().__init__(detail)
        self.status = status


class Surefoot:
    """Surefoot at ``url``; by default ``SUREFOOT_URL``, or this machine's port 8080."""

    def __init__(self, url: str | None = None) -> None:
        self.url = (url or os.environ.get("SUREFOOT_URL") or "http://127.0.0.1:8080").rstrip("/")
        self._http = httpx2.Client(base_url=f"{self.url}/api/v1", timeout=TIMEOUT_SECONDS)

    def orchestrate(self, cluster: str, service: str, body: dict[str, Any], *, key: str | None = None) -> str:
        """Ask for a deployment; return the run's id. The same ``key`` is the same run."""
        headers = {"Idempotency-Key": key} if key else {}
        path = f"/deployment-orchestration/orchestrate/{cluster}/{service}"
        return str(self._call("POST", path, json=body, headers=headers)["run_id"])

    def status(self, cluster: str, service: str, run_id: str | None = None) -> dict[str, Any]:
        """Return a run: the one named, or the target's newest."""
        parameters = {"run_id": run_id} if run_id else {}
        return self._call("GET", f"/deployment-orchestration/status/{cluster}/{service}", params=parameters)

    def snapshots(self, cluster: str, service: str) -> dict[str, Any]:
        return self._call("GET", f"/disaster-recovery/snapshots/{cluster}/{service}")

    def roll_back(self, cluster: str, service: str, snapshot_id: str, *, dry_run: bool) -> dict[str, Any]:
        body = {"snapshot_id": snapshot_id, "dry_run": dry_run}
        return self._call("POST", f"/disaster-recovery/rollback/{cluster}/{service}", json=body)

    def operation(self, id_: str) -> dict[str, Any]:
        return self._call("GET", f"/disaster-recovery/operations/{id_}")

    def ready(self) -> bool:
        """Whether everything that Surefoot needs answers."""
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx2.HTTPError:
            return False

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx2.HTTPError as error:
            raise Refused(
                f"Surefoot does not answer at {self.url} ({type(error).__name__}): "
                "start it (make up), or set SUREFOOT_URL"
            ) from error
        try:
            body = answer.json()
        except ValueError:
            body = {}
        if answer.status_code >= 400:
            detail = body.get("detail") if isinstance(body, dict) else None
            raise Refused(str(detail or f"{method} {path} answered {answer.status_code}"), answer.status_code)
        return body if isinstance(body, dict) else {"items": body}
