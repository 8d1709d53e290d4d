"""The policies in force at the moment of each call, and who is called when others have taken their place."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from contracts.access import Role
from contracts.base import Target
from contracts.policy import Access, Callers, ServicePolicy
from services._policy.callers import Identities
from services._policy.policies import Policies
from services._policy.reasons import sentence_of

Listener = Callable[[frozenset[Target]], Awaitable[None]]
"""Called with the targets whose policy has changed. If it raises, the reload has failed, and it is called again."""


@dataclass(slots=True)
class _Subscription:
    """A listener, and the changes that it has not been called with yet."""

    listener: Listener
    unnotified: set[Target] = field(default_factory=set)


@dataclass
class InForce:
    """Implements ``Policies`` of the chassis by the policies that ``replace`` was last called with."""

    _policies: Policies | None = field(default=None, init=False)
    _subscriptions: list[_Subscription] = field(default_factory=list, init=False)

    @property
    def policies(self) -> Policies:
        """Return the policies in force. They are immutable; a reload replaces them."""
        if self._policies is None:
            raise AssertionError("no policies have been loaded yet")
        return self._policies

    def of(self, target: Target) -> ServicePolicy:
        """Return the policy of a target. Raise ``Refused`` where there is none."""
        return self.policies.of(target)

    def find(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        """Return the one target of these names. Raise ``Ambiguous`` or ``Refused``."""
        return self.policies.find(cluster, service, account, region)

    def named(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        """Return the one target of these names, whether anybody may act on it or not. Raise ``Ambiguous``."""
        return self.policies.named(cluster, service, account, region)

    def all(self) -> tuple[Target, ...]:
        """Return every service that is listed."""
        return self.policies.all()

    def access(self, account: str) -> Access | None:
        """Return how to act in an account; None for Surefoot's own, and for accounts without a role."""
        return self.policies.access(account)

    def callers(self, target: Target | None) -> Callers:
        """Return who may do what with a service, or with the installation as a whole."""
        return self.policies.callers(target)

    def highest_role(self, name: str) -> Role | None:
        """Return the highest role that a caller has for any service; None where there is none."""
        return self.policies.highest_role(name)

    @property
    def identities(self) -> Identities:
        """Return who is recognised by a token."""
        return self.policies.identities

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` after each change from now on."""
        self._subscriptions.append(_Subscription(listener))

    def replace(self, policies: Policies, changed: frozenset[Target] = frozenset()) -> None:
        """Put other policies in force; ``notify`` calls the listeners with the targets that were changed."""
        self._policies = policies
        for subscription in self._subscriptions:
            subscription.unnotified |= changed

    async def notify(self) -> str | None:
        """Call each listener that does not know of all changes yet; return what failed, for which to call again."""
        problem = None
        for subscription in self._subscriptions:
            if subscription.unnotified:
                changed = frozenset(subscription.unnotified)
                try:
                    await subscription.listener(changed)
                except Exception as error:  # noqa: BLE001  whatever a listener raises, the policy has not reached it
                    problem = f"a part of this service could not take the new policy over: {sentence_of(error)}"
                else:
                    subscription.unnotified -= changed
        return problem
