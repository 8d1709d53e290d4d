"""The Python client of the API."""

import os
import time
import uuid
from typing import Any

import httpx2

from contracts.prose import prose
from surefoot.arguments import Place, Requester
from surefoot.credential import HOW_TO, authorization
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo
from surefoot.tls import trusted

TIMEOUT_SECONDS = 15.0
STARTING_SECONDS = 60.0
"""Seconds for which a call waits while Surefoot starts; its own limit for a start."""
MOVES_SECONDS = 45.0
"""CloudTrail answers two look-ups a second, for everybody in the account."""
AGAIN_SECONDS = 0.5
MOST_RUNS = 200
"""How many runs one answer lists."""
_PROBLEM = "application/problem+json"
"""The form in which Surefoot itself refuses; a gateway answers in another one."""
_MISUSED = frozenset({400, 404, 409, 422})
"""Statuses of a wrong request."""


class Refused(CannotDo):
    """The API refused; the text says why and what to do. ``status`` is the HTTP status, 0 without an answer."""

    def __init__(self, detail: str, status: int = 0) -> None:
        super().__init__(detail, Exit.USAGE if status in _MISUSED else Exit.FAILED)
        self.status = status


class Surefoot:
    """Surefoot at ``url``; by default ``SUREFOOT_URL``, or this machine's port 8080.

    A call that Surefoot is not ready for is sent again for ``STARTING_SECONDS``; what changes something carries an
    ``Idempotency-Key``, so that it is done once however often it is sent.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = (url or os.environ.get("SUREFOOT_URL") or "http://127.0.0.1:8080").rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise Refused(f"SUREFOOT_URL is no http:// or https:// address: {self.url}", 400)
        self._tls = trusted()
        self._http = httpx2.Client(
            base_url=f"{self.url}/api/v1", timeout=TIMEOUT_SECONDS, verify=self._tls, headers=authorization()
        )

    def orchestrate(self, place: Place, body: dict[str, Any], *, key: str | None = None) -> str:
        """Ask for a deployment; return the run's id. The same ``key`` is the same run."""
        return str(self._post("/deployment-orchestration/orchestrate", place, body, key)["run_id"])

    def status(self, place: Place, run_id: str | None = None, *, patience: float = STARTING_SECONDS) -> dict[str, Any]:
        """Return a run: the one named, else the active one, else the last. ``patience`` is in real seconds."""
        query = {**place.query, "run_id": run_id} if run_id else place.query
        return self._call("GET", _path("/deployment-orchestration/status", place), patience=patience, params=query)

    def act(self, verb: str, place: Place, body: dict[str, Any]) -> dict[str, Any]:
        """Pause, resume, approve, reject or abort a run, or release what is held. Return what follows (``answer``)."""
        return self._post(f"/deployment-orchestration/{verb}", place, body)

    def holds(self, place: Place) -> dict[str, Any]:
        """Return what is held after rollbacks."""
        return self._call("GET", _path("/deployment-orchestration/holds", place), params=place.query)

    def deployments(self, place: Place | None, query: dict[str, str | None], limit: int) -> list[dict[str, Any]]:
        """Return runs, the latest first, ``limit`` at most."""
        known = {name: value for name, value in query.items() if value is not None}
        if place is not None:
            known |= {"cluster_name": place.cluster, "service_name": place.service, **place.query}
        found: list[dict[str, Any]] = []
        while len(found) < limit:
            page = {**known, "limit": str(min(limit - len(found), MOST_RUNS))}
            answer = self._call("GET", "/deployment-orchestration/deployments", params=page)
            found += answer["deployments"]
            if answer["cursor"] is None:
                break
            known["cursor"] = answer["cursor"]
        return found

    def overview(self) -> list[dict[str, Any]]:
        """Return an overview: an entry for each service."""
        services: list[dict[str, Any]] = self._call("GET", "/deployment-orchestration/overview")["services"]
        return services

    def snapshots(self, place: Place) -> dict[str, Any]:
        return self._call("GET", _path("/disaster-recovery/snapshots", place), params=place.query)

    def compare(self, place: Place, before: str, after: str) -> dict[str, Any]:
        """Return what differs from one snapshot to another."""
        path = f"{_path('/disaster-recovery/snapshots', place)}/diff"
        return self._call("GET", path, params={**place.query, "from": before, "to": after})

    def drift(self, place: Place) -> dict[str, Any]:
        """Return how the live service differs from its last good snapshot."""
        return self._call("GET", _path("/disaster-recovery/drift", place), params=place.query)

    def readiness(self, place: Place) -> dict[str, Any]:
        """Return to which snapshots one can go back, and by which plans."""
        return self._call("GET", _path("/disaster-recovery/readiness", place), params=place.query)

    def elsewhere(self, place: Place, body: dict[str, Any]) -> dict[str, Any]:
        """Return whether the service could be made in another place."""
        return self._call(
            "POST", f"{_path('/disaster-recovery/readiness', place)}/elsewhere", params=place.query, json=body
        )

    def moves(self, place: Place, hours: float) -> dict[str, Any]:
        """Return who has changed the service within the last hours."""
        query = {**place.query, "hours_back": hours}
        return self._call("GET", _path("/disaster-recovery/moves", place), params=query, timeout=MOVES_SECONDS)

    def decisions(self, place: Place, limit: int) -> dict[str, Any]:
        """Return the last decisions about rollbacks, the newest first."""
        return self._call("GET", _path("/disaster-recovery/decisions", place), params={**place.query, "limit": limit})

    def roll_back(
        self, place: Place, snapshot_id: str | None, requester: Requester, *, dry_run: bool, force: bool = False
    ) -> dict[str, Any]:
        """Bring a snapshot back, or say what that would change; None is the newest proven one."""
        which = {"snapshot_id": snapshot_id} if snapshot_id is not None else {"latest_proven": True}
        body = {**which, "dry_run": dry_run, "force": force, "actor": requester.actor, "reason": requester.reason}
        return self._post("/disaster-recovery/rollback", place, body)

    def scale(self, place: Place, body: dict[str, Any], requester: Requester) -> dict[str, Any]:
        """Ask for an emergency scaling; return what is begun, or what would be."""
        who = {"actor": requester.actor, "reason": requester.reason}
        return self._post("/disaster-recovery/emergency-scale", place, body | who)

    def end_scaling(self, place: Place, requester: Requester) -> dict[str, Any]:
        who = {"actor": requester.actor, "reason": requester.reason}
        path = f"{_path('/disaster-recovery/emergency-scale', place)}/end"
        return self._call("POST", path, params=place.query, json=who)

    def migrate(self, place: Place, body: dict[str, Any], requester: Requester) -> dict[str, Any]:
        """Ask for a migration; return what is begun, or what would be."""
        who = {"actor": requester.actor, "reason": requester.reason}
        return self._post("/disaster-recovery/migrate", place, body | who)

    def recreate(self, place: Place, body: dict[str, Any], requester: Requester) -> dict[str, Any]:
        """Return what of a service is gone and would be made again, and ask for an approval unless it is a dry run."""
        who = {"actor": requester.actor, "reason": requester.reason}
        return self._post("/disaster-recovery/recreate", place, body | who)

    def drill(self, place: Place, body: dict[str, Any], requester: Requester) -> dict[str, Any]:
        """Have a recovery plan tried; return what is begun, or what would be done."""
        who = {"actor": requester.actor, "reason": requester.reason}
        return self._post("/disaster-recovery/drill", place, body | who)

    def end_drill(self, place: Place, requester: Requester) -> dict[str, Any]:
        who = {"actor": requester.actor, "reason": requester.reason}
        return self._call("POST", f"{_path('/disaster-recovery/drill', place)}/end", params=place.query, json=who)

    def drills(self, place: Place) -> dict[str, Any]:
        """Return the drill that is under way, and those that are over."""
        return self._call("GET", _path("/disaster-recovery/drill", place), params=place.query)

    def decide_recreation(self, verb: str, place: Place, plan: str, requester: Requester) -> dict[str, Any]:
        """Approve or reject a plan; return its operation."""
        body = {"plan": plan, "actor": requester.actor, "reason": requester.reason}
        return self._call(
            "POST", f"{_path('/disaster-recovery/recreate', place)}/{verb}", params=place.query, json=body
        )

    def operation(self, id_: str, place: Place) -> dict[str, Any]:
        """Return an operation of the service."""
        named = {"cluster_name": place.cluster, "service_name": place.service, **place.query}
        return self._call("GET", f"/disaster-recovery/operations/{id_}", params=named)

    def ready(self) -> bool:
        """Return whether Surefoot is ready, that is, whether everything that it needs answers."""
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=5, verify=self._tls).status_code == 200
        except httpx2.HTTPError:
            return False

    def answers(self) -> bool:
        """Return whether the process answers, ready or not."""
        try:
            return httpx2.get(f"{self.url}/livez", timeout=5, verify=self._tls).status_code == 200
        except httpx2.HTTPError:
            return False

    def _post(self, path: str, place: Place, body: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self._call("POST", _path(path, place), params=place.query, json=body, headers=headers)

    def _call(self, method: str, path: str, *, patience: float = STARTING_SECONDS, **arguments: Any) -> dict[str, Any]:
        deadline = time.monotonic() + patience
        while True:
            answer = self._send(method, path, **arguments)
            if not _not_yet(answer) or time.monotonic() > deadline:
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


def _not_yet(answer: httpx2.Response) -> bool:
    """Return whether a service is starting, busy or without Redis (503), has been asked too often (429), or cannot be
    reached by the front door (502).

    A 502 of Surefoot's own says that AWS denied or did not answer: that is the answer, for its caller to judge.
    """
    by_gateway = not answer.headers.get("content-type", "").startswith(_PROBLEM)
    return answer.status_code in {429, 503} or (answer.status_code == 502 and by_gateway)


def _path(path: str, place: Place) -> str:
    return f"{path}/{place.cluster}/{place.service}"


def with_advice(sentence: str, status: int) -> str:
    """Return what the API answered, and what to do here where it does not know who calls."""
    return f"{sentence.rstrip('.')}. Here: {HOW_TO}" if status == httpx2.codes.UNAUTHORIZED else sentence


def _body_of(answer: httpx2.Response, request: str) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    if answer.status_code >= 400:
        detail = body.get("detail") if isinstance(body, dict) else None
        sentence = prose(str(detail or f"{request} answered {answer.status_code}"))
        raise Refused(with_advice(sentence, answer.status_code), answer.status_code)
    return body if isinstance(body, dict) else {"items": body}
