"""What ECS tells of the deployment that is live: what it has replaced, what it has changed, and what was live earlier.

Source: Amazon ECS API reference, ServiceDeployment (``sourceServiceRevisions``, ``targetServiceRevision``) and
ServiceRevision.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_REVISIONS = 20
"""How many service revisions one DescribeServiceRevisions takes (Amazon ECS API reference)."""
DEPLOYED_SETTINGS: dict[str, Any] = {
    "networkConfiguration": {},
    "loadBalancers": [],
    "serviceRegistries": [],
    "capacityProviderStrategy": [],
    "serviceConnectConfiguration": {},
    "volumeConfigurations": [],
}
"""Settings that a deployment rolls out and UpdateService sets → their value where a revision has none. The platform
version is left out: a revision names the one that ran, where the service may say LATEST."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A service revision: everything of a service that a deployment rolls out."""

    arn: str
    task_definition: str
    """ARN."""
    digests: Mapping[str, str]
    """Container name → digest of its image; unknown digests are left out."""
    created_at: float | None
    """Epoch seconds by AWS's clock; None where ECS does not say it."""

    @property
    def version(self) -> str:
        return self.task_definition.rpartition("/")[2]

    def repeats(self, other: "Revision") -> bool:
        """Return whether it runs the same task definition, with images that are not known to be others."""
        ours, theirs = self.digests, other.digests
        moved = any(theirs[name] != digest for name, digest in ours.items() if name in theirs)
        return self.task_definition == other.task_definition and not moved


@dataclass(frozen=True, slots=True)
class Course:
    """The deployment that is live, as ECS tells it."""

    before: tuple[Revision, ...]
    """What was live when it began: none where it is the service's first, several where another rollout was under
    way."""
    after: Revision
    """What it has rolled out."""
    earlier: tuple[Revision, ...]
    """What the deployments before it had rolled out, as far as ECS was asked, without those in ``before``."""

    @property
    def changed(self) -> tuple[str, str] | None:
        """Return the ARNs of what was live before and of what it has rolled out; None where several were."""
        return (self.before[0].arn, self.after.arn) if len(self.before) == 1 else None

    @property
    def again(self) -> bool:
        """Return whether it deploys once more what was live when it began."""
        return any(self.after.repeats(revision) for revision in self.before)


def revisions_of(current: Mapping[str, Any], deployments: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the ARNs to describe: of what the current deployment replaced and rolled out, then of those before it."""
    ours = (*_sources(current), _target(current))
    theirs = (_target(deployment) for deployment in deployments)
    return tuple(dict.fromkeys(arn for arn in (*ours, *theirs) if arn))[:MOST_REVISIONS]


def course_of(current: Mapping[str, Any], revisions: Iterable[Revision], task_definition: str) -> Course | None:
    """Return the course of the deployment that is live; None where ECS does not tell it whole.

    ``current``: its service deployment. ``task_definition``: what is live.
    """
    known = {revision.arn: revision for revision in revisions}
    sources, after = _sources(current), known.get(_target(current))
    if "sourceServiceRevisions" not in current or not set(sources) <= known.keys():
        return None
    if after is None or after.task_definition != task_definition:
        return None
    earlier = (revision for arn, revision in known.items() if arn not in {*sources, after.arn})
    return Course(tuple(known[arn] for arn in sources), after, tuple(earlier))


def settings_to_undo(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a deployment has changed, of two described service revisions: setting → the value before.

    What of a service belongs to no deployment (the grace period, the percentages, the placement) is not among it.
    """
    found = {}
    for name, default in DEPLOYED_SETTINGS.items():
        then, now = before.get(name) or default, after.get(name) or default
        if _ordered(then) != _ordered(now):
            found[name] = then
    return found


def _ordered(setting: Any) -> Any:
    """Return a setting without what is empty, and with its lists in an order of their own: ECS's says nothing."""
    if isinstance(setting, Mapping):
        return {name: _ordered(value) for name, value in setting.items() if value not in (None, "", [], {})}
    if isinstance(setting, list | tuple):
        return sorted(map(_ordered, setting), key=repr)
    return setting


def _sources(deployment: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(revision.get("arn") or "") for revision in deployment.get("sourceServiceRevisions") or ())


def _target(deployment: Mapping[str, Any]) -> str:
    listed = deployment.get("targetServiceRevisionArn")
    return str(listed or (deployment.get("targetServiceRevision") or {}).get("arn") or "")
