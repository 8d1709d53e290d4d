"""HTTP in, HTTP out: ask for a deployment, look at it, act on it."""

from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Request, Response

from contracts.access import Role
from contracts.base import Target, id_of
from contracts.deployment import DeployRequested
from contracts.envelope import Meta
from contracts.policy import ServicePolicy
from contracts.run_verbs import Verb, VerbAnswered
from contracts.state import read_record
from services._aws.existing import Existing
from services._chassis.access.permit import Asking, NowAsking, needs
from services._chassis.aws import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.http import Problem
from services._chassis.operations import IdempotencyKey, refuse_another, what_was_asked
from services._chassis.targets import Targets
from services.orchestrator.bodies import (
    VERBS,
    AbortBody,
    DecisionBody,
    DeployBody,
    PauseBody,
    RunAccepted,
    VerbDone,
    VerbRoute,
)
from services.orchestrator.domain.approval import runs_another, skips_migration, weaker_than
from services.orchestrator.domain.course import Course, course_key
from services.orchestrator.domain.request_name import RequestName
from services.orchestrator.domain.verbs import VerbAsked, answer_key
from services.orchestrator.domain.view import RunView, run_key, views
from services.orchestrator.handlers import Handlers
from services.orchestrator.ports import Courses, History
from services.orchestrator.settings import Settings


class RunEndpoints:
    """Does the work of the routes."""

    def __init__(
        self,
        settings: Settings,
        courses: Courses,
        clock: Clock,
        handlers: Handlers,
        history: History,
        existing: Existing,
    ) -> None:
        self._settings = settings
        self._courses = courses
        self._clock = clock
        self._handlers = handlers
        self._history = history
        self._existing = existing

    async def orchestrate(self, target: Target, body: DeployBody, key: str | None, *, by_ci: bool) -> str:
        """Ask for a run and return its id. The same key on the same target is the same run."""
        change = body.change()
        await self._refuse_unknown(target)
        source = f"surefoot/api/{self._named(target)}"
        meta = Meta(id=key or str(uuid4()), source=source, time=moment(self._clock.now()))
        event = DeployRequested(
            target=target,
            change=change,
            actor=body.actor,
            reason=body.reason,
            expires_at=moment(self._clock.at(body.expires_at.timestamp())) if body.expires_at else None,
            overrides=body.overrides,
            config=body.deployment_config,
            migration=body.migration,
            without_migration=body.without_migration,
            **body.model_dump(include={"on_conflict"}, exclude_unset=True),
        )
        run_id = await self._handlers.run_of(RequestName(target, meta.source, meta.id))
        if begun := await self._handlers.deploy(event, run_id, meta.time, by_ci=by_ci):
            transition = begun.and_record(what_was_asked(run_id, body, key))
            # whoever asks may have put a secret into the key, and the cause goes out with the events
            known_before = f"{meta.source}#{meta.id}"
            await self._courses.apply(transition, cause=f"api:{run_id}", cause_before=known_before, intake=True)
        await refuse_another(self._courses, run_id, body, key)
        return run_id

    async def status(self, target: Target, run_id: str | None) -> RunView:
        """Return the run that was asked for, else the active one, else the last. Raise ``Problem`` without one."""
        course = await self._courses.read(course_key(target), Course)
        shown = views(course, self._clock.now())
        wanted = run_id or next(iter(shown), course.last_run_id)
        if run_id is not None and run_id not in shown:
            wanted = await self._whole(await self._handlers.known_as(target, run_id), target)
        if wanted in shown:
            return shown[wanted]
        record = await self._courses.record(run_key(wanted)) if wanted else None
        view = read_record(RunView, record)
        if view is None or view.target != target:
            await self._refuse_unknown(target)
            what = f"The run {run_id} is unknown" if run_id else "No run was ever asked for"
            raise Problem(404, "No such run", f"{what} on {target}.")
        return view

    def _named(self, target: Target) -> str:
        """Return the target as the ids of its requests have it: in the own account and region by its names alone."""
        own = (target.account, target.region) == (self._settings.aws_account, self._settings.aws_region)
        return f"{target.cluster}/{target.service}" if own else str(target)

    async def _whole(self, run_id: str, target: Target) -> str:
        """Return the id of the target's one run that begins so. Raise ``Problem`` where several do."""
        meant = []
        for found in await self._history.ids(run_id):
            record = await self._courses.record(run_key(found))
            if (view := read_record(RunView, record)) is not None and view.target == target:
                meant.append(found)
        if len(meant) > 1:
            raise Problem(422, "Which run?", f"Several runs on {target} begin with {run_id}: {', '.join(meant)}.")
        return meant[0] if meant else run_id

    async def abort(self, target: Target, body: AbortBody, key: str | None) -> tuple[str, str]:
        """Ask for the end of a run. Return its id, and the answer as a sentence: it may end already.

        The same key has the same answer. Raise ``Problem`` where the run is over, and for a key that came for another
        run before.
        """
        view = await self.status(target, body.run_id)
        source, id_ = f"surefoot/api/abort/{target}", key or str(uuid4())
        name, meant = id_of(source, id_), body.model_copy(update={"run_id": view.run_id})
        answer = read_record(VerbAnswered, await self._courses.record(answer_key(name)))
        if answer is None:
            if view.status == "finished":
                raise Problem(409, "The run is over", f"The run {view.run_id} has ended: {view.outcome}.")
            asked = VerbAsked(name, target, view.run_id, Verb.ABORT, body.actor, body.reason, self._clock.now())
            transition = (await self._handlers.ask(asked)).and_record(what_was_asked(name, meant, key))
            await self._courses.apply(transition, cause=f"api:{name}", cause_before=f"{source}#{id_}")
            answer = read_record(VerbAnswered, await self._courses.record(answer_key(name)))
        await refuse_another(self._courses, name, meant, key)
        return view.run_id, answer.sentence if answer else "It was asked for before."  # by an earlier version

    async def role_to_decide(self, target: Target, run_id: str) -> Role:
        """Return the role that it takes to approve or reject what a run waits with, by the policy that it keeps."""
        wanted = (await self.status(target, run_id)).approval
        return wanted.role if wanted is not None else Role.APPROVER

    async def act(self, target: Target, verb: Verb, body: AbortBody | DecisionBody, key: str | None) -> VerbAnswered:
        """Pause, resume, approve or reject a run. Raise ``Problem`` where it cannot be done now: the answer says why.

        The same key has the same answer, whatever has happened to the run since.
        """
        name = id_of("verb", f"surefoot/api/{verb}/{target}", key or str(uuid4()))
        answer = read_record(VerbAnswered, await self._courses.record(answer_key(name)))
        if answer is None:
            view = await self.status(target, body.run_id)
            asked = VerbAsked(name, target, view.run_id, verb, body.actor, body.reason, self._clock.now())
            if isinstance(body, PauseBody):
                asked = replace(asked, minutes=body.minutes)
            if isinstance(body, DecisionBody):
                asked = replace(asked, plan=body.plan)
            transition = (await self._handlers.ask(asked)).and_record(what_was_asked(name, body, key))
            await self._courses.apply(transition, cause=f"api:{name}")
            answer = read_record(VerbAnswered, await self._courses.record(answer_key(name)))
        await refuse_another(self._courses, name, body, key)
        if answer is None or not answer.accepted:
            raise Problem(409, f"The run cannot be asked to {verb}", answer.sentence if answer else "Ask again.")
        return answer

    async def _refuse_unknown(self, target: Target) -> None:
        """Raise ``Problem`` for a service that there is not. Where AWS does not say, preflight judges it."""
        with suppress(AwsError):
            await self._existing(target)


def _approved(asking: Asking, policy: ServicePolicy, body: DeployBody) -> DeployBody:
    """Return the body with its actor, who may also ask for less than the policy demands if it asks for that, and may
    end others' runs if it does so by its own word.

    Raise ``Refused`` if not.
    """
    less = weaker_than(policy, body.deployment_config)
    ends_others = body.on_conflict == "supersede" != policy.requests.on_conflict
    if "enable_auto_recovery" in less or ends_others or runs_another(policy, body.migration):
        asking.about(policy.target, Role.OPERATOR)
    elif less or body.overrides or skips_migration(policy, body):
        asking.about(policy.target, Role.APPROVER)
    return asking.by(body)


def _accepted(request: Request, response: Response, target: Target, run_id: str) -> RunAccepted:
    path = request.url_for("deployment_status", cluster_name=target.cluster, service_name=target.service)
    asked = {name: request.query_params[name] for name in ("account", "region") if name in request.query_params}
    url = path.include_query_params(run_id=run_id, **asked)
    response.headers["Location"] = where = f"{url.path}?{url.query}"
    return RunAccepted(operation_id=run_id, url=where, run_id=run_id, status_url=where)


def _add_verb(router: APIRouter, endpoints: RunEndpoints, in_path: Any, route: VerbRoute) -> None:
    async def act(
        *,
        target: in_path,
        body: route.body,  # type: ignore[name-defined]  # the route's own
        asking: NowAsking,
        request: Request,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> VerbDone:
        if isinstance(body, DecisionBody):
            asking.about(target, await endpoints.role_to_decide(target, body.run_id))
        answer = await endpoints.act(target, route.verb, asking.by(body), idempotency_key)
        run = _accepted(request, response, answer.target, answer.run_id)
        return VerbDone(**run.model_dump(), answer=answer.sentence)

    path = f"/{route.verb}/{{cluster_name}}/{{service_name}}"
    add = router.post(path, name=route.verb, description=route.description, dependencies=[needs(route.role)])
    add(act)


def add_run_routes(router: APIRouter, endpoints: RunEndpoints, targets: Targets) -> None:
    """Add the routes about one run."""
    InPath = Annotated[Target, Depends(targets.in_path)]  # noqa: N806  a type
    NamedInPath = Annotated[Target, Depends(targets.named_in_path)]  # noqa: N806  a type

    @router.post("/orchestrate/{cluster_name}/{service_name}", status_code=202, dependencies=[needs(Role.DEPLOYER)])
    async def orchestrate(
        *,
        target: InPath,
        body: DeployBody,
        asking: NowAsking,
        request: Request,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> RunAccepted:
        """Start a deployment; its status shows how it goes."""
        approved, by_ci = _approved(asking, targets.policies.of(target), body), not asking.has(Role.APPROVER, target)
        run_id = await endpoints.orchestrate(target, approved, idempotency_key, by_ci=by_ci)
        return _accepted(request, response, target, run_id)

    @router.get("/status/{cluster_name}/{service_name}", name="deployment_status", dependencies=[needs(Role.VIEWER)])
    async def status(target: NamedInPath, run_id: str | None = None) -> RunView:
        """Show a run: the one asked for, by its id or its beginning; else the active one, else the last."""
        return await endpoints.status(target, run_id)

    @router.post("/abort/{cluster_name}/{service_name}", status_code=202, dependencies=[needs(Role.OPERATOR)])
    async def abort(
        *,
        target: NamedInPath,
        body: AbortBody,
        asking: NowAsking,
        request: Request,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> VerbDone:
        """Stop a run: what was changed is rolled back."""
        run_id, answer = await endpoints.abort(target, asking.by(body), idempotency_key)
        return VerbDone(**_accepted(request, response, target, run_id).model_dump(), answer=answer)

    for act in VERBS:
        _add_verb(router, endpoints, NamedInPath, act)
