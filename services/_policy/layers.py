"""The layers of one installation, and how they are merged for one service."""

from dataclasses import dataclass

from contracts.base import Target
from contracts.policy import Callers, ServicePolicy
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
        common, single = self.environment.of(cluster, service)
        tree = merged(own, common, self.defaults, entry or {})
        if not single or not self._at_home(tree, merged(own, common)):
            return tree
        return merged(own, common, single, self.defaults, entry or {})

    @staticmethod
    def _at_home(tree: Tree, environment: Tree) -> bool:
        """Return whether a service is in the environment's own account and region.

        The environment names services by cluster and name alone, and a service of the same name elsewhere is another.
        """
        account = text(environment, "account")
        return account in {"", text(tree, "account")} and text(environment, "region") == text(tree, "region")

    def effective(self, tree: Tree, target: Target) -> Effective:
        policy = ServicePolicy.model_validate({"target": target, "digest": self.digest, **sections_of(tree)})
        return Effective(policy, dict(flat(tree)))

    def callers(self, base: Tree) -> Callers:
        """Return who may do what with the installation as a whole: those of the defaults."""
        return Callers.model_validate(sections_of(base)["access"])

    def unlisted(self, target: Target) -> Effective:
        """Return the policy of a service that the file does not list."""
        base = self.base()
        asked = {key: str(getattr(target, key)) for key in Target.model_fields}
        differs: Tree = {key: Value(name, "as asked for") for key, name in asked.items() if text(base, key) != name}
        return self.effective(self.base(target.cluster, target.service, differs), target)
