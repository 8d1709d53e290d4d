"""The layers of one installation, and how they are merged for one service."""

from dataclasses import dataclass

from contracts.base import Target
from contracts.policy import ServicePolicy
from services._policy.environment import Environment
from services._policy.merge import Tree, Value, flat, merged, sections_of
from services._policy.policies import Effective


def text(tree: Tree, key: str) -> str:
    """Return the text at the top of a tree; empty if there is none, or something else."""
    held = tree.get(key)
    return held.value if isinstance(held, Value) and isinstance(held.value, str) else ""


@dataclass(frozen=True, slots=True)
class Layers:
    own_account: str | None
    """The account of Surefoot's credentials; None while it is not known."""
    environment: Environment
    defaults: Tree
    """The ``defaults`` of the file."""
    digest: str

    def base(self, cluster: str = "", service: str = "", entry: Tree | None = None) -> Tree:
        """Return the merged layers of a service with this entry in the file, or of an unlisted service."""
        account = {"account": Value(self.own_account, "the account of Surefoot's credentials")}
        own: Tree = account if self.own_account else {}
        return merged(own, *self.environment.of(cluster, service), self.defaults, entry or {})

    def effective(self, tree: Tree, target: Target) -> Effective:
        policy = ServicePolicy.model_validate({"target": target, "digest": self.digest, **sections_of(tree)})
        return Effective(policy, dict(flat(tree)))

    def unlisted(self, target: Target) -> Effective:
        """Return the policy of a service that the file does not list."""
        tree = self.base(target.cluster, target.service)
        asked = {key: str(getattr(target, key)) for key in Target.model_fields}
        differs: Tree = {key: Value(name, "as asked for") for key, name in asked.items() if text(tree, key) != name}
        return self.effective({**tree, **differs}, target)
