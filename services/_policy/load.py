"""Turns files and environment into policies, or into everything that is wrong with them. Pure: nothing is read here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pydantic import ValidationError

from contracts.base import Target
from contracts.policy import MOST_SERVICES, Access
from services._policy.callers import Identities, identities, unknown_pipelines
from services._policy.check import check
from services._policy.consistency import (
    reversed_baking,
    too_few_approvers,
    unfit_rules,
    unguarded_headers,
    unknown_triggers,
    without_critical_rule,
)
from services._policy.environment import Environment
from services._policy.faults import Fault, Place, PolicyFaults
from services._policy.files import Files
from services._policy.layers import Layers, text
from services._policy.merge import Tree, Value, tree_of
from services._policy.parse import Entry, Node, parse
from services._policy.policies import Effective, Policies

UNKNOWN_ACCOUNT = "0" * 12
"""Stands for the account of Surefoot's credentials while it is not known."""
_ONCE = ("defaults", "unlisted", "allow_empty")
"""The keys that only one file of a directory may have."""


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
        self._note(unfit_rules(base, {}, "defaults"))
        self._note(unknown_triggers(base, "defaults"))
        self._note(reversed_baking(base, "defaults"))
        self._note(too_few_approvers(base, "defaults"))
        refuse_unlisted = "unlisted" in once and once["unlisted"].node.value == "refuse"
        if not refuse_unlisted:
            self._note(without_critical_rule(base, {}, "defaults"))
            more = "; or refuse services that are not listed: `unlisted: refuse`"
            self._note(unguarded_headers(base, "defaults", more))
        access = self._access()
        known = identities(self._entries("issuers"), self._entries("pipelines"), self._fault)
        self._note(unknown_pipelines(base, known, "defaults"))
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

    def _note(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self._fault(fault.place, fault.path, fault.sentence)

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

    def _listed(
        self, layers: Layers, base: Tree, access: dict[str, Access], known: Identities
    ) -> Iterator[tuple[Target, Effective]]:
        places: dict[Target, Place] = {}
        for entry, path in self._service_entries():
            own = tree_of(entry)
            tree = layers.base(text(own, "cluster"), text(own, "service"), own)
            self._note(unfit_rules(tree, base, path))
            self._note(unknown_triggers(tree, path))
            self._note(reversed_baking(tree, path))
            self._note(too_few_approvers(tree, path))
            self._note(unguarded_headers(tree, path))
            self._note(without_critical_rule(tree, base, path))
            self._note(unknown_pipelines(tree, known, path))
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
