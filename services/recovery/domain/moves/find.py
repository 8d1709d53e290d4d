"""Finds a service's moves in what is known, and names each mover. It never guesses a person: unknown stays unknown."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from services.recovery.domain.moves.facts import Activity, Deployed, Facts, Noticed, OurAct, What
from services.recovery.domain.moves.move import Move
from services.recovery.domain.moves.mover import By, Mover, Sure, mover_of
from services.recovery.domain.moves.trail import LATEST_SECONDS, TrailCall

SLACK = 60.0
"""Seconds between a call, by CloudTrail's time, and what it brings about, by ECS's."""
LATE_MARGIN = 300.0
"""Seconds beyond CloudTrail's usual lateness after which what it does not tell is not known."""
_COUNT = re.compile(r"^Setting desired count to ([0-9]{1,6})\b")
_LIMITS = re.compile(r"^Setting min capacity to ([0-9]{1,6}) and max capacity to ([0-9]{1,6})")
_SCHEDULED = re.compile(r"scheduled action name ([\w.-]{1,128})")
# the words of API reference, ScalingActivity, Description and Cause


def find_moves(facts: Facts, since: float, now: float) -> list[Move]:
    """Return what moved since then (epoch seconds), the newest first."""
    evident = [*_versions(facts, now), *_counts(facts), *_limits(facts)]
    seen = (_only_seen(facts, each, now) for each in facts.noticed if not any(m.explains(each, SLACK) for m in evident))
    chained = _chained(sorted([*evident, *seen], key=lambda move: move.at), facts)
    return [move for move in reversed(chained) if move.at >= since]


def _chained(moves: Sequence[Move], facts: Facts) -> list[Move]:
    """Return the moves with what was there before each; what changed nothing is none. The oldest comes first."""
    last: dict[What, str] = {}
    found = []
    for move in moves:
        before = move.before or last.get(move.what) or _seen_before(facts, move)
        last[move.what] = move.after
        if before != move.after:
            found.append(replace(move, before=before))
    return found


def _seen_before(facts: Facts, move: Move) -> str:
    """Return what a look before the move has seen; empty where none has."""
    known = [each for each in facts.noticed if each.what == move.what and move.explains(each, SLACK)]
    return known[0].before if known else ""


def _versions(facts: Facts, now: float) -> Iterator[Move]:
    for deployed in facts.deployed:
        version = _short(deployed.version) or "a version that ECS has forgotten"
        mover, evidence = _deployer(facts, deployed, now)
        evidence = (*_of_deployment(deployed), *evidence)
        yield Move("version", deployed.at, _short(deployed.source), version, mover, evidence)
        if deployed.back_at is not None:
            stopped = _nearest(facts, "StopServiceDeployment", deployed.back_at)
            mover = mover_of(stopped, facts.ours.jobs) if stopped else Mover(By.ECS, _what_of_ecs(deployed.why_back))
            stops = (_of_call(stopped),) if stopped else ()
            back = _short(deployed.back_to) or "the version before"
            evidence = (f"ECS says of {deployed.arn}: {deployed.why_back or 'it goes back'}", *stops)
            yield Move("version", deployed.back_at, version, back, mover, evidence)


def _deployer(facts: Facts, deployed: Deployed, now: float) -> tuple[Mover, tuple[str, ...]]:
    """Return who has made a deployment, and the evidence."""
    exact = [call for call in facts.trail.calls if call.deployment_id and call.deployment_id == deployed.deployment_id]
    call = exact[0] if exact else _caller(facts, deployed)
    if call is not None:
        return mover_of(call, facts.ours.jobs), (_of_call(call),)
    ours = facts.ours.deployments.get(deployed.deployment_id)
    if ours is not None:
        return Mover(By.OURS, ours), ("our own record has this deployment",)
    act = next((act for act in facts.ours.acts if act.desired is None and _within(act, deployed.at)), None)
    if act is not None:
        return Mover(By.OURS, act.who, Sure.LIKELY), ("our own record has it under way at that time",)
    return _unknown(facts, deployed.at, now), ()


def _caller(facts: Facts, deployed: Deployed) -> TrailCall | None:
    """Return the call after which the deployment began: of its version, or one that forces a deployment."""
    fits = [
        call
        for call in facts.trail.calls
        if call.operation in {"UpdateService", "UpdateServicePrimaryTaskSet"}
        and abs(call.at - deployed.at) <= SLACK
        and (not call.deployment_id or not deployed.deployment_id)
        and (call.forced or bool(call.deployment_id) or _is_version(call.task_definition, deployed.version))
    ]
    return min(fits, key=lambda call: abs(call.at - deployed.at), default=None)


def _is_version(asked: str, version: str) -> bool:
    """Return whether a call names this version; one that names a family alone means its newest revision."""
    name, there = _short(asked), _short(version)
    return bool(name) and (name == there or name == there.rpartition(":")[0])


def _nearest(facts: Facts, operation: str, at: float) -> TrailCall | None:
    near = [call for call in facts.trail.calls if call.operation == operation and abs(call.at - at) <= SLACK]
    return min(near, key=lambda call: abs(call.at - at), default=None)


def _counts(facts: Facts) -> Iterator[Move]:
    scaled = [(activity, found[1]) for activity in facts.activities if (found := _COUNT.match(activity.description))]
    for activity, count in scaled:
        yield Move("count", activity.at, "", count, _scaler(activity), (_of_activity(activity),))
    for call in facts.trail.calls:
        if call.operation != "UpdateService" or call.desired is None:
            continue
        mover, count = mover_of(call, facts.ours.jobs), str(call.desired)
        known = any(to == count and abs(activity.at - call.at) <= SLACK for activity, to in scaled)
        if not (mover.by is By.AUTOSCALER and known):
            yield Move("count", call.at, "", count, mover, (_of_call(call),))


def _limits(facts: Facts) -> Iterator[Move]:
    for activity in facts.activities:
        if found := _LIMITS.match(activity.description):
            between, evidence = limits(found[1], found[2]), (_of_activity(activity),)
            yield Move("limits", activity.at, "", between, _scaler(activity), evidence)
    for call in facts.trail.calls:
        if call.operation != "RegisterScalableTarget":
            continue
        set_ = [None if each is None else str(each) for each in (call.low, call.high)]
        what = limits(*set_) if set_ != [None, None] else "other suspensions of scaling" if call.suspends else ""
        if what:
            yield Move("limits", call.at, "", what, mover_of(call, facts.ours.jobs), (_of_call(call),))


def limits(low: object, high: object) -> str:
    """Return limits as moves name them; None is left as it is, or is not there."""
    return f"{'the same' if low is None else low} to {'the same' if high is None else high}"


def _scaler(activity: Activity) -> Mover:
    scheduled = _SCHEDULED.search(activity.cause)
    return Mover(By.AUTOSCALER, f"the scheduled action {scheduled[1]}" if scheduled else "Application Auto Scaling")


def _only_seen(facts: Facts, noticed: Noticed, now: float) -> Move:
    """Return a change that nothing but two looks shows, with its mover where an earlier look has known it."""
    if noticed in facts.remembered:
        mover, evidence = facts.remembered[noticed]
        return Move(noticed.what, noticed.at, noticed.before, noticed.after, mover, evidence)
    act = next((act for act in facts.ours.acts if _sets(act, noticed) and _within(act, noticed.at)), None)
    evidence = ("two looks show it", *(("our own record has set this",) if act else ()))
    mover = Mover(By.OURS, act.who, Sure.LIKELY) if act else _unknown(facts, noticed.at, now)
    return Move(noticed.what, noticed.at, noticed.before, noticed.after, mover, evidence)


def _sets(act: OurAct, noticed: Noticed) -> bool:
    if noticed.what == "count":
        return act.desired is not None and str(act.desired) == noticed.after
    if noticed.what == "limits":
        low, _, high = noticed.after.partition(" to ")
        set_ = [(str(ours), there) for ours, there in ((act.low, low), (act.high, high)) if ours is not None]
        return bool(set_) and all(ours == there for ours, there in set_)
    return act.desired is None


def _within(act: OurAct, at: float) -> bool:
    return act.since <= at <= act.until


def _unknown(facts: Facts, at: float, now: float) -> Mover:
    """Return that it is not known who it was, and whether that may still be told."""
    if facts.trail.denied:
        return Mover(By.UNKNOWN, "", Sure.NOT_ALLOWED)
    unread = bool(facts.trail.unread) and at <= facts.trail.since
    too_early = now - at < LATEST_SECONDS + LATE_MARGIN
    return Mover(By.UNKNOWN, "", Sure.NOT_YET if too_early or unread else Sure.NOT_KNOWN)


def _what_of_ecs(reason: str) -> str:
    text = reason.lower()
    if "circuit breaker" in text:
        return "ECS's circuit breaker"
    return "ECS, by its alarms," if "alarm" in text else "ECS"


def _short(version: str) -> str:
    """Return ``family:revision`` of an ARN or a name."""
    return version.rpartition("/")[2]


def _of_deployment(deployed: Deployed) -> tuple[str, ...]:
    names = " ".join(filter(None, (deployed.deployment_id, deployed.arn)))
    return (f"ECS has the deployment {names}",) if names else ()


def _of_call(call: TrailCall) -> str:
    return f"CloudTrail event {call.event_id}: {call.operation} by {call.principal} with {call.agent[:120]}"


def _of_activity(activity: Activity) -> str:
    return f"scaling activity {activity.id}: {activity.cause}"
