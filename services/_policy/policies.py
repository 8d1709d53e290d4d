"""All policies of an installation at one moment. Frozen: a reload makes new ones beside them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from contracts.access import Role
from contracts.base import Target
from contracts.policy import Access, Callers, ServicePolicy
from services._policy.callers import Identities
from services._policy.merge import Value

MOST_UNLISTED = 1000
"""How many unlisted services are remembered, so that changes of their policies are published, too."""


class NoTarget(LookupError):
    """No policy belongs to these names; the text is a sentence that says what to do."""

    temporary = False
    """Another attempt would end the same way: a job fails for good."""


class Ambiguous(NoTarget):
    """Several services have these names."""

    def __init__(self, sentence: str, choices: tuple[Target, ...]) -> None:
        super().__init__(sentence)
        self.choices = choices


class Refused(NoTarget):
    """The policy does not allow Surefoot to act there."""


@dataclass(frozen=True, slots=True)
class Effective:
    """One service's policy, and the origin of each of its values."""

    policy: ServicePolicy
    values: Mapping[str, Value]
    """Path (``rules.cpu.threshold``) → value; a rule that is off is ``rules.cpu`` with the value ``off``."""


@dataclass(frozen=True)
class Policies:
    """The policies of all services: ``find`` returns a target by its names, ``of`` its policy."""

    listed: Mapping[Target, Effective]
    accounts: Mapping[str, Access]
    """Account id → how to act in that account; Surefoot's own needs no entry."""
    account: str
    """The account of unlisted services."""
    region: str
    refuse_unlisted: bool
    unlisted: Callable[[Target], Effective]
    """Returns the policy of an unlisted service."""
    digest: str = ""
    """Digest of the file or directory; empty without one."""
    allow_empty: bool = False
    identities: Identities = field(default_factory=Identities)
    """Who is recognised by a token."""
    everywhere: Callers = field(default_factory=Callers)
    """Who may do what with the installation as a whole, and with services that are not listed."""
    met: dict[Target, Effective] = field(default_factory=dict, compare=False, repr=False)
    """Unlisted services whose policy was asked for, with that policy."""

    def of(self, target: Target) -> ServicePolicy:
        """Return the policy of a target. Raise ``Refused`` where there is none."""
        return self.explain(target).policy

    def explain(self, target: Target) -> Effective:
        """Return the policy of a target with the origin of each value. Raise ``Refused`` where there is none."""
        effective = self.derived(target)
        if target not in self.listed and target not in self.met:
            self.met[target] = effective
            if len(self.met) > MOST_UNLISTED:
                self.met.pop(next(iter(self.met)))
        return effective

    def derived(self, target: Target) -> Effective:
        """Return what ``explain`` returns, without making the target known. Raise ``Refused`` as well."""
        if (known := self.listed.get(target) or self.met.get(target)) is not None:
            return known
        if self.refuse_unlisted:
            raise Refused(f"{target} is not listed in the policy, which refuses services that it does not list")
        if target.account != self.account and target.account not in self.accounts:
            raise Refused(f"the policy has no role for account {target.account}; add one under `accounts`")
        if target.region not in self.regions:
            raise Refused(f"{target} is in a region where the policy lists no service; list it to act there")
        return self.unlisted(target)

    def named(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        """Return the one target of these names, whether anybody may act on it or not.

        Account and region are needed only where several services have the name. Raise ``Ambiguous``;
        raise pydantic's ``ValidationError`` for what cannot be a name, an account or a region.
        """
        choices = tuple(
            target
            for target in self.listed
            if (target.cluster, target.service) == (cluster, service)
            and account in (None, target.account)
            and region in (None, target.region)
        )
        if len(choices) > 1:
            named = ", ".join(f"{target.account}/{target.region}" for target in choices)
            raise Ambiguous(f"{cluster}/{service} is in {named}: name the account and the region, too", choices)
        if choices:
            return choices[0]
        return Target(account=account or self.account, region=region or self.region, cluster=cluster, service=service)

    def find(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        """Return the one target of these names on which somebody may act. Raise as ``named``, and ``Refused``."""
        target = self.named(cluster, service, account, region)
        self.of(target)
        return target

    def all(self) -> tuple[Target, ...]:
        """Return every service that is listed, in the order of the file."""
        return tuple(self.listed)

    def access(self, account: str) -> Access | None:
        """Return how to act in an account; None for that of Surefoot's own credentials."""
        return self.accounts.get(account)

    def callers(self, target: Target | None) -> Callers:
        """Return who may do what with a service; None stands for the installation as a whole.

        What is not in the policy any more can still be looked at and stopped, by the callers of the defaults.
        """
        try:
            return self.everywhere if target is None else self.derived(target).policy.access
        except Refused:
            return self.everywhere

    def highest_role(self, name: str) -> Role | None:
        """Return the highest role that a caller has for any service; None where there is none."""
        return self._highest_roles.get(name)

    @cached_property
    def _highest_roles(self) -> dict[str, Role]:
        sections = (self.everywhere, *(effective.policy.access for effective in self.listed.values()))
        found: dict[str, Role] = {}
        for role, names in (entry for section in sections for entry in section.by_role()):
            for name in names:
                if name not in found or role.includes(found[name]):
                    found[name] = role
        return found

    def listen(self, listener: object) -> None:
        """Do nothing: these never change."""

    def known(self) -> frozenset[Target]:
        """Return the services that are listed, and the unlisted ones whose policy was asked for."""
        return frozenset((*self.listed, *tuple(self.met)))

    def changed_from(self, before: "Policies", among: frozenset[Target] | None = None) -> frozenset[Target]:
        """Return the targets whose policy is another one now: those that were added, changed or removed.

        ``among``: the targets to compare; by default all that either knows. The unlisted ones are known to these
        policies from now on. ``before`` stays as it is, so that others may go on to use it meanwhile.
        """
        targets = before.known() | self.known() if among is None else among
        return frozenset(
            target
            for target in targets
            if before.compared(target, before.derived) != self.compared(target, self.explain)
        )

    def compared(
        self, target: Target, explain: Callable[[Target], Effective]
    ) -> tuple[ServicePolicy, Access | None, bool] | None:
        """Return what must differ for a target's policy to count as changed; the digest alone does not count."""
        try:
            policy = explain(target).policy
        except Refused:
            return None
        return policy.model_copy(update={"digest": ""}), self.accounts.get(target.account), target in self.listed

    @cached_property
    def regions(self) -> frozenset[str]:
        """Return the regions in which Surefoot may act on unlisted services, so that a mistyped region is refused."""
        return frozenset({self.region, *(target.region for target in self.listed)})

    @cached_property
    def effective_digest(self) -> str:
        """Return the SHA-256 of all policies with the environment merged in, by which replicas are compared."""
        lines = [f"{target} {effective.policy.model_dump_json()}" for target, effective in self.listed.items()]
        lines += [f"{account} {access.model_dump_json()}" for account, access in sorted(self.accounts.items())]
        lines += self.identities.lines
        rest = Target(account=self.account, region=self.region, cluster="unlisted", service="unlisted")
        lines.append("refused" if self.refuse_unlisted else self.unlisted(rest).policy.model_dump_json())
        return sha256("\n".join(lines).encode()).hexdigest()
