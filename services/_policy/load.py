"""Turns files and environment into policies, or into all their faults. Pure: nothing is read here."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import ValidationError

from contracts.base import Target
from contracts.monitor import SERVICE_ALARMS
from contracts.policy import MOST_SERVICES, Access
from contracts.policy_rules import BUILT_IN_RULES, RESERVED_RULE_NAMES, RulePolicy
from contracts.policy_section import OFF
from contracts.suggest import did_you_mean
from services._policy.callers import Identities, identities, unknown_pipelines
from services._policy.check import check
from services._policy.environment import Environment
from services._policy.faults import Fault, Place, PolicyFaults
from services._policy.layers import Layers, text
from services._policy.merge import Tree, Value, flat, tree_of
from services._policy.parse import Entry, Node, parse
from services._policy.policies import Effective, Policies

UNKNOWN_ACCOUNT = "0" * 12
"""Stands for the account of Surefoot's credentials while it is not known."""
_BUILT_IN = {rule.name for rule in BUILT_IN_RULES}
_OWN_RULE = tuple(name for name in RulePolicy.model_fields if name != "name")
_FIXED = ("metric", "comparison")
"""Gates and recovery know a built-in rule by its name, so that what it is about cannot be changed."""
_ONCE = ("defaults", "unlisted", "allow_empty")
"""The keys that only one file of a directory may have."""


@dataclass(frozen=True, slots=True)
class File:
    """A policy file: its name as faults show it, and its content."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Files:
    """One snapshot of a file or a directory; no files at all are an installation without a policy."""

    files: tuple[File, ...] = ()
    directory: bool = False
    signature: str = ""
    """The content of the signature's file, which lies beside the policy; empty without one. No part of the digest."""

    @property
    def digest(self) -> str:
        """Return what ``sha256sum FILE`` prints; for a directory, the digest of those lines in the order of names."""
        sums = {file.name.rpartition("/")[2]: hashlib.sha256(file.content).hexdigest() for file in self.files}
        if not self.directory:
            return next(iter(sums.values()), "")
        lines = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
        return hashlib.sha256(lines.encode()).hexdigest()


def load(files: Files, environment: Environment, own_account: str | None) -> Policies:
    """Return the policies. Raise ``PolicyFaults`` with everything that is wrong, in all files at once.

    ``own_account`` is that of Surefoot's credentials; None while it is not known, as on a laptop.
    """
    return _Loading(files, environment, own_account).policies()


@dataclass(slots=True)
class _Loading:
    files: Files
    environment: Environment
    own_account: str | None
    faults: list[Fault] = field(default_factory=list)
    roots: list[Node] = field(default_factory=list)

    def policies(self) -> Policies:
        for file in self.files.files:
            root, wrong = parse(file.content, file.name)
            self.faults += wrong
            if root is not None:
                self.faults += check(root, wrong)
                self.roots.append(root)
        once = self._once()
        defaults = tree_of(once["defaults"].node) if "defaults" in once else {}
        layers = Layers(self.own_account, self.environment, defaults, self.files.digest)
        base = layers.base()
        self._rules(base, {}, "defaults")
        self._spans(base, "defaults")
        refuse_unlisted = "unlisted" in once and once["unlisted"].node.value == "refuse"
        if not refuse_unlisted:
            self._judges(base, {}, "defaults")
            self._headers(base, "defaults", "; or refuse services that are not listed: `unlisted: refuse`")
        access = self._access()
        known = identities(self._entries("issuers"), self._entries("pipelines"), self._fault)
        self._callers(base, known, "defaults")
        account = base.get("account")
        if isinstance(account, Value) and account.place:
            self._reach(text(base, "account"), account.place, "defaults", access)
        listed = dict(self._listed(layers, base, access, known))
        if self.faults:
            raise PolicyFaults(self.faults)
        return Policies(
            listed=listed or self._configured(layers),
            accounts=access,
            account=text(base, "account") or UNKNOWN_ACCOUNT,
            region=text(base, "region"),
            refuse_unlisted=refuse_unlisted,
            unlisted=layers.unlisted,
            digest=self.files.digest,
            allow_empty="allow_empty" in once and once["allow_empty"].node.value is True,
            identities=known,
            everywhere=layers.callers(base),
        )

    def _fault(self, place: Place, path: str, sentence: str) -> None:
        """Note one fault for each place: what is wrong in the defaults is wrong in each service, too."""
        if all(place != fault.place for fault in self.faults):
            self.faults.append(Fault(place, path, sentence))

    def _entries(self, key: str) -> Iterator[Entry]:
        for root in self.roots:
            if isinstance(root.value, dict) and key in root.value:
                yield root.value[key]

    def _once(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for key in _ONCE:
            for entry in self._entries(key):
                first = found.setdefault(key, entry)
                if first is not entry:
                    sentence = f"{first.place.short} says it already, and only one file of a directory may"
                    self._fault(entry.place, key, sentence)
        return found

    def _access(self) -> dict[str, Access]:
        access: dict[str, Access] = {}
        places: dict[str, Place] = {}
        for entry in self._entries("accounts"):
            accounts = entry.node.value if isinstance(entry.node.value, dict) else {}
            for account, held in accounts.items():
                path = f"accounts.{account}"
                if account in places:
                    self._fault(held.place, path, f"the account stands twice, first in {places[account].short}")
                    continue
                places[account] = held.place
                try:
                    access[account] = Access.model_validate(held.node.plain)
                except ValidationError:
                    continue  # the format has a fault for it already
                if (of := access[account].role.split(":")[4]) != account:
                    self._fault(held.place, f"{path}.role", f"the role is of account {of}, not of {account}")
        return access

    def _callers(self, tree: Tree, known: Identities, path: str) -> None:
        for fault in unknown_pipelines(tree, known, path):
            self._fault(fault.place, fault.path, fault.sentence)

    def _listed(
        self, layers: Layers, base: Tree, access: dict[str, Access], known: Identities
    ) -> Iterator[tuple[Target, Effective]]:
        places: dict[Target, Place] = {}
        for entry, path in self._service_entries():
            own = tree_of(entry)
            tree = layers.base(text(own, "cluster"), text(own, "service"), own)
            self._rules(tree, base, path)
            self._spans(tree, path)
            self._headers(tree, path)
            self._judges(tree, base, path)
            self._callers(tree, known, path)
            try:
                names = {key: text(tree, key) for key in Target.model_fields}
                target = Target.model_validate(names | {"account": names["account"] or UNKNOWN_ACCOUNT})
            except ValidationError:
                continue  # the format has a fault for it already
            if target in places:
                sentence = f"{target.cluster}/{target.service} is listed twice, first in {places[target].short}"
                self._fault(entry.place, path, sentence)
                continue
            places[target] = entry.place
            self._reach(target.account, _place_of(entry, "account"), path, access)
            if not self.faults:
                yield target, layers.effective(tree, target)

    def _service_entries(self) -> Iterator[tuple[Node, str]]:
        count = 0
        for entry in self._entries("services"):
            for number, node in enumerate(entry.node.value if isinstance(entry.node.value, list) else ()):
                count += 1
                if count > MOST_SERVICES:
                    self._fault(node.place, "services", f"there may be {MOST_SERVICES} services")
                    return
                yield node, f"services[{number}]"

    def _reach(self, account: str, place: Place, path: str, access: dict[str, Access]) -> None:
        """Check that an account is Surefoot's own, or has a role."""
        if self.own_account is None or account in {"", self.own_account, UNKNOWN_ACCOUNT, *access}:
            return
        sentence = f"account {account} is not that of Surefoot's credentials, {self.own_account}"
        self._fault(place, f"{path}.account", f"{sentence}, and `accounts` has no role for it")

    def _rules(self, tree: Tree, base: Tree, path: str) -> None:
        """Check what spans layers: built-in rules keep their metric, a rule of one's own is complete."""
        rules, below = tree["rules"], base.get("rules", {})
        for name, rule in rules.items() if not isinstance(rules, Value) else ():
            where = f"{path}.rules.{name}"
            if isinstance(rule, Value):
                known = name in _BUILT_IN or (not isinstance(below, Value) and name in below)
                if not known and rule.place:
                    sentence = f"there is no rule {name} to switch off{did_you_mean(name, _BUILT_IN)}"
                    self._fault(rule.place, where, sentence)
            elif name in _BUILT_IN:
                self._fixed(name, rule, where)
            elif name in RESERVED_RULE_NAMES:
                self._fault(_first(rule), where, f"{name} is the name of a gate; give the rule another one")
            elif missing := [key for key in _OWN_RULE if key not in rule]:
                sentence = f"a rule of your own needs {', '.join(missing)}, too{did_you_mean(name, _BUILT_IN)}"
                self._fault(_first(rule), where, sentence)

    def _spans(self, tree: Tree, path: str) -> None:
        """Check values of several keys that have to fit one another."""
        triggers, rules = _held(tree, "recovery", "triggers"), tree["rules"]
        known = [*rules, SERVICE_ALARMS] if not isinstance(rules, Value) else []
        if triggers is not None and triggers.place is not None and isinstance(triggers.value, list):
            for name in triggers.value:
                if name not in known:
                    sentence = f"there is no rule {name}{did_you_mean(str(name)[:40], known)}"
                    self._fault(triggers.place, f"{path}.recovery.triggers", sentence)
        least, most = _held(tree, "baking", "minimum_minutes"), _held(tree, "baking", "maximum_minutes")
        if least and most and _number(least.value) > _number(most.value):
            place = least.place or most.place or Place(least.origin, 0)
            sentence = f"the shortest baking, {least.value:g} minutes, is longer than the longest, {most.value:g}"
            self._fault(place, f"{path}.baking", sentence)

    def _headers(self, tree: Tree, path: str, more: str = "") -> None:
        """Check that headers, which carry secrets, are sent to a URL that somebody has chosen.

        A load balancer is called by its own name without a check of its certificate, and perhaps without TLS.
        """
        url, headers = _held(tree, "application", "url"), tree["application"].get("headers")  # type: ignore[union-attr]  # a section
        sent = [held for _, held in flat(headers or {}) if held.value != OFF] if not isinstance(headers, Value) else []
        if not sent or (url is not None and url.value not in {None, OFF}):
            return
        place = next((held.place for held in (url, *sent) if held is not None and held.place), None)
        sentence = "`headers` are sent to a URL that is set here, and to no other: set `url`, or switch the headers off"
        self._fault(place or Place("the environment", 0), f"{path}.application.url", sentence + more)

    def _judges(self, tree: Tree, base: Tree, path: str) -> None:
        """Without a critical rule there is nothing to judge a deployment by, and each would end inconclusive."""
        rules, below = tree["rules"], base.get("rules", {})
        if isinstance(rules, Value) or any(_severity(rule) == "critical" for rule in rules.values()):
            return
        places, inherited = _not_critical(rules), _not_critical(below)
        place = next((place for place in places if place not in inherited), places[0] if places else _first(rules))
        sentence = "no critical rule is left, so that no deployment could succeed; leave one of them on and critical"
        self._fault(place, f"{path}.rules", sentence)

    def _fixed(self, name: str, rule: Tree, where: str) -> None:
        for key in _FIXED:
            held = rule.get(key)
            if isinstance(held, Value) and held.place is not None:
                sentence = f"{name} is one of Surefoot's rules, whose {key} is fixed; write a rule of your own"
                self._fault(held.place, f"{where}.{key}", sentence)

    def _configured(self, layers: Layers) -> dict[Target, Effective]:
        """Return the services without a file: the one that ``CLUSTER_NAME`` and ``SERVICE_NAME`` name, if they do."""
        if self.files.files or self.environment.configured is None:
            return {}
        cluster, service = self.environment.configured
        tree = layers.base(cluster, service)
        account, region = text(tree, "account") or UNKNOWN_ACCOUNT, text(tree, "region")
        target = Target(account=account, region=region, cluster=cluster, service=service)
        return {target: layers.unlisted(target)}


def _place_of(entry: Node, key: str) -> Place:
    """Return the place of a key, or of the whole map where it is inherited."""
    return entry.value[key].place if isinstance(entry.value, dict) and key in entry.value else entry.place


def _first(tree: Tree) -> Place:
    """Return the place of the first value that the file sets."""
    return next((held.place for _, held in flat(tree) if held.place), Place("the environment", 0))


def _held(tree: Tree, section: str, name: str) -> Value | None:
    values = tree.get(section)
    held = values.get(name) if values is not None and not isinstance(values, Value) else None
    return held if isinstance(held, Value) else None


def _severity(rule: Value | Tree) -> object:
    """Return how severe a rule is; None for one that is switched off."""
    held = None if isinstance(rule, Value) else rule.get("severity")
    return held.value if isinstance(held, Value) else None


def _not_critical(rules: Value | Tree) -> list[Place]:
    """Return where the file switches rules off, or makes warnings of them."""
    held = [] if isinstance(rules, Value) else rules.values()
    values = (rule if isinstance(rule, Value) else rule.get("severity") for rule in held)
    return [value.place for value in values if isinstance(value, Value) and value.place is not None]


def _number(value: object) -> float:
    """Return the value if it is a number; else 0, since the format has a fault for it already."""
    return value if isinstance(value, int | float) else 0
