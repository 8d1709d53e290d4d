"""When a repository's lifecycle policy deletes the image of a way back, as far as its rules tell it.

Source: Amazon ECR user guide, "Lifecycle policy properties" and "How lifecycle policies work": rules are evaluated by
their priority, the lowest number first; an image that fits the tags of a rule is not expired by a later rule; several
prefixes or patterns must all fit; an image is deleted within 24 hours after it fits a rule.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

DAY = 86_400.0
SOON = 7 * DAY
"""So long before a deletion it is told, and not only shown: time to push the image again, or to change the rule."""
FEW = 3
"""So many pushes before a deletion likewise: a day of a busy pipeline."""


@dataclass(frozen=True, slots=True)
class RepositoryImage:
    """One image of a repository, as DescribeImages has it."""

    digest: str
    tags: tuple[str, ...]
    pushed_at: float | None
    """Epoch seconds; None where ECR does not tell."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a lifecycle policy does with an image, or may do."""

    clause: str
    soon: bool = False


@dataclass(frozen=True, slots=True)
class LifecycleRule:
    priority: int
    tag_status: str
    """``tagged``, ``untagged`` or ``any``."""
    patterns: tuple[str, ...]
    """With ``*`` for any characters; prefixes end with it."""
    count_type: str
    """``imageCountMoreThan``, ``sinceImagePushed``, or one that this version does not know."""
    count: int
    expires: bool
    """False: it does something else with the image."""

    def fits(self, image: RepositoryImage) -> bool:
        """Return whether the rule selects an image by its tags."""
        if self.tag_status != "tagged":
            return self.tag_status == "any" or not image.tags
        if not image.tags:
            return False
        return all(any(fnmatchcase(tag, pattern) for tag in image.tags) for pattern in self.patterns)


def rules_of(text: str) -> tuple[LifecycleRule, ...]:
    """Return the rules of ``lifecyclePolicyText``, in their order. Raise ``ValueError`` for what is no such policy."""
    try:
        return tuple(sorted(map(_rule, json.loads(text)["rules"]), key=lambda rule: rule.priority))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its lifecycle policy has another form than is known here ({error!r})") from error


def _rule(rule: dict[str, Any]) -> LifecycleRule:
    selection = rule["selection"]
    prefixes = (f"{_literal(prefix)}*" for prefix in selection.get("tagPrefixList") or ())
    return LifecycleRule(
        priority=int(rule["rulePriority"]),
        tag_status=str(selection["tagStatus"]),
        patterns=(*prefixes, *map(_literal_but_stars, selection.get("tagPatternList") or ())),
        count_type=str(selection["countType"]),
        count=int(selection["countNumber"]),
        expires=(rule.get("action") or {}).get("type") == "expire",
    )


def _literal(text: str) -> str:
    """Return a pattern in which nothing but the text itself fits."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in text)


def _literal_but_stars(text: str) -> str:
    return "*".join(map(_literal, text.split("*")))


def rule_for(image: RepositoryImage, rules: Iterable[LifecycleRule]) -> LifecycleRule | None:
    """Return the one rule that may expire an image; None where there is none."""
    return next((rule for rule in rules if rule.fits(image)), None)


def when_deleted(
    image: RepositoryImage, rules: Iterable[LifecycleRule], others: Sequence[RepositoryImage] | None, now: float
) -> Deletion | None:
    """Return when the image is deleted; None where no rule does it.

    ``others``: all images of the repository; None where they are not known.
    """
    rule = rule_for(image, rules)
    if rule is None:
        return None
    by = f"rule {rule.priority} of its repository's lifecycle policy"
    if image.pushed_at is None or rule.count_type not in {"sinceImagePushed", "imageCountMoreThan"}:
        does = "deletes" if rule.expires else "moves"
        return Deletion(f"{by} applies to it, and when it {does} it is not known here")
    does = "deletes" if rule.expires else "archives"
    if rule.count_type == "sinceImagePushed":
        due = max(image.pushed_at + rule.count * DAY, now)
        on = f"{datetime.fromtimestamp(due, UTC):%Y-%m-%d}"
        return Deletion(f"{by} {does} it on {on}, {rule.count} days after it was pushed", due - now <= SOON)
    if others is None:
        unread = "and how many are newer could not be read"
        return Deletion(f"{by} {does} all but the newest {rule.count} images, {unread}")
    newer = sum(1 for other in others if rule.fits(other) and (other.pushed_at or 0.0) > image.pushed_at)
    left = max(0, rule.count - newer)
    after = f"after {left} more are pushed" if left else "within a day"
    return Deletion(f"{by} {does} all but the newest {rule.count} images: this one {after}", left <= FEW)
