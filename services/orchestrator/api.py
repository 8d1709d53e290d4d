"""HTTP in, HTTP out: ask for a deployment, look at it, stop it. The same decisions as over the bus."""

from typing import Annotated, Literal
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints

from contracts.base import Name, Target, caused_id
from contracts.deployment import (
    AbortRequested,
    Change,
    CheckUp,
    DeploymentConfig,
    DeployRequested,
    ImageChange,
    Observe,
    Override,
    TaskDefinitionChange,
)
from contracts.envelope import Meta
from services._chassis import operations
from services._chassis.clock import Clock, moment
from services._chassis.http import Problem
from services._chassis.operations import IdempotencyKey, Requested
from services._chassis.transition import Transition
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.view import RunView, views
from services.orchestrator.handlers import Handlers, course_key, run_key
from services.orchestrator.ports import Courses
from services.orchestrator.settings import Settings

Text = Annotated[str, StringConstraints(min_length=1, max_length=512)]


class RequestedConfig(DeploymentConfig):
    """The guide's ``deployment_config``; a misspelt field is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class DeployBody(Requested):
    """What is asked for: one of ``image``, ``task_definition`` and ``observe``.

    A body without any of them, as the requirements have it, observes the deployment that is under way, and checks
    what is live where there is none.
    """

    deployment_config: RequestedConfig = RequestedConfig()
    image: Text | None = None
    """``[CONTAINER=]REF``."""
    task_definition: Text | None = None
    observe: bool = False
    overrides: Annotated[tuple[Override, ...], Field(max_length=50)] = ()
    on_conflict: Literal["queue", "refuse"] = "queue"
    expires_at: AwareDatetime | None = None

    def change(self) -> Change:
        """Return the one change, or a check-up where the body names none. Raise ``Problem`` for more than one."""
        changes: list[Change] = [Observe()] if self.observe else []
        if self.image is not None:
            changes.append(ImageChange.parse(self.image))
        if self.task_definition is not None:
            changes.append(TaskDefinitionChange(task_definition=self.task_definition))
        if len(changes) > 1:
            raise Problem(
                422,
                "What is to be deployed?",
                "Give one of image, task_definition and observe: true, or none of them for a check-up of what is live.",
            )
        return changes[0] if changes else CheckUp()


class Accepted(operations.Accepted):
    """A run is the operation here; its URL is that of its status."""

    run_id: str
    status_url: str


class AbortBody(Requested):
    """Without ``run_id`` the active run is meant."""

    run_id: Text | None = None


class Endpoints:
    """What the routes do."""

    def __init__(self, settings: Settings, courses: Courses, clock: Clock, handlers: Handlers) -> None:
        self._settings = settings
        self._courses = courses
        self._clock = clock
        self._handlers = handlers

    async def orchestrate(self, target: Target, body: DeployBody, key: str | None) -> str:
        """Ask for a run and return its id. The same key on the same target is the same run."""
        change = body.change()
        source = f"surefoot/api/{target.cluster}/{target.service}"
        meta = Meta(id=key or str(uuid4()), source=source, time=moment(self._clock.now()))
        event = DeployRequested(
            target=target,
            change=change,
            actor=body.actor,
            reason=body.reason,
            expires_at=moment(self._clock.at(body.expires_at.timestamp())) if body.expires_at else None,
            on_conflict=body.on_conflict,
            overrides=body.overrides,
            config=body.deployment_config,
        )
        run_id = caused_id(meta.source, meta.id)
        await self._apply(await self._handlers.deploy(event, meta), f"{meta.source}#{meta.id}")
        return run_id

    async def status(self, target: Target, run_id: str | None) -> RunView:
        """Return the run that was asked for, else the active one, else the last. Raise ``Problem`` without one."""
        course = Course.from_bytes(await self._courses.load(course_key(target)))
        shown = views(course, self._clock.now())
        wanted = run_id or next(iter(shown), course.last_run_id)
        if wanted in shown:
            return shown[wanted]
        record = await self._courses.record(run_key(wanted)) if wanted else None
        view = RunView.model_validate_json(record) if record else None
        if view is None or view.target != target:
            what = f"The run {run_id} is unknown" if run_id else "No run was ever asked for"
            raise Problem(404, "No such run", f"{what} on {target}.")
        return view

    async def abort(self, target: Target, body: AbortBody, key: str | None) -> str:
        """Ask for the end of a run and return its id."""
        view = await self.status(target, body.run_id)
        if view.status == "finished":
            raise Problem(409, "The run is over", f"The run {view.run_id} has ended: {view.outcome}.")
        event = AbortRequested(target=target, run_id=view.run_id, actor=body.actor, reason=body.reason)
        meta = Meta(id=key or str(uuid4()), source="surefoot/api/abort", time=moment(self._clock.now()))
        await self._apply(await self._handlers.hear(event, meta), f"{meta.source}/{target}#{meta.id}")
        return view.run_id

    async def _apply(self, transition: Transition | None, cause: str) -> None:
        if transition is not None:
            await self._courses.apply(transition, cause=cause)


def create_router(endpoints: Endpoints, settings: Settings) -> APIRouter:
    """Return the routes; their targets lie in the configured account and region."""
    router = APIRouter(prefix="/deployment-orchestration", tags=["deployment-orchestration"])

    def accepted(request: Request, response: Response, cluster: str, service: str, run_id: str) -> Accepted:
        path = request.url_for("deployment_status", cluster_name=cluster, service_name=service)
        url = path.include_query_params(run_id=run_id)
        response.headers["Location"] = where = f"{url.path}?{url.query}"
        return Accepted(operation_id=run_id, url=where, run_id=run_id, status_url=where)

    @router.post("/orchestrate/{cluster_name}/{service_name}", status_code=202)
    async def orchestrate(
        *,
        cluster_name: Name,
        service_name: Name,
        body: DeployBody,
        request: Request,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> Accepted:
        """Start a deployment's course; its status tells how it goes."""
        target = settings.target(cluster_name, service_name)
        run_id = await endpoints.orchestrate(target, body, idempotency_key)
        return accepted(request, response, cluster_name, service_name, run_id)

    @router.get("/status/{cluster_name}/{service_name}", name="deployment_status")
    async def status(cluster_name: Name, service_name: Name, run_id: str | None = None) -> RunView:
        """Show a run: the one asked for, else the active one, else the last."""
        return await endpoints.status(settings.target(cluster_name, service_name), run_id)

    @router.post("/abort/{cluster_name}/{service_name}", status_code=202)
    async def abort(
        *,
        cluster_name: Name,
        service_name: Name,
        body: AbortBody,
        request: Request,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> Accepted:
        """Stop a run: what was changed is rolled back."""
        target = settings.target(cluster_name, service_name)
        run_id = await endpoints.abort(target, body, idempotency_key)
        return accepted(request, response, cluster_name, service_name, run_id)

    return router
