"""Finds the service that a request over HTTP means: from the names in its path or query, and from the policy.

Used as FastAPI dependencies, so that all seven services take ``account`` and ``region`` alike.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from contracts.base import AccountId, Name, Region, Target
from services._chassis.http import Problem
from services._chassis.policies import Policies

Account = Annotated[AccountId | None, Query(description="Needed only where several accounts have the service.")]
InRegion = Annotated[Region | None, Query(alias="region", description="Needed only where several regions have it.")]


@dataclass(frozen=True, slots=True)
class Targets:
    policies: Policies
    cluster: str | None = None
    """The settings ``CLUSTER_NAME`` and ``SERVICE_NAME``: the service that is meant where a request names none."""
    service: str | None = None

    def find(
        self,
        cluster: str,
        service: str,
        account: str | None = None,
        region: str | None = None,
        *,
        begins: bool = True,
    ) -> Target:
        """Return the one target of these names. Raise ``Problem`` where there are several.

        ``begins``: whether the request begins something; then ``Problem`` is raised, too, where Surefoot may not act.
        Work under way can be looked at and stopped even after its service was taken from the policy.
        """
        try:
            find = self.policies.find if begins else self.policies.named
            return find(cluster, service, account, region)
        except LookupError as error:
            choices: tuple[Target, ...] = getattr(error, "choices", ())
            if choices:
                raise Problem(422, "Which service?", f"{error}. There are {', '.join(map(str, choices))}.") from None
            raise Problem(404, "No such service here", f"{error}.") from None

    def in_path(
        self, cluster_name: Name, service_name: Name, account: Account = None, region: InRegion = None
    ) -> Target:
        """Return the target that the path names, for a request that begins something."""
        return self.find(cluster_name, service_name, account, region)

    def named_in_path(
        self, cluster_name: Name, service_name: Name, account: Account = None, region: InRegion = None
    ) -> Target:
        """Return the target that the path names, for a request that looks at something or stops it."""
        return self.find(cluster_name, service_name, account, region, begins=False)

    def in_query(
        self,
        cluster_name: Annotated[Name | None, Query()] = None,
        service_name: Annotated[Name | None, Query()] = None,
        account: Account = None,
        region: InRegion = None,
    ) -> Target:
        """Return the target that the query names, else the configured one."""
        return self.given_or_configured(cluster_name, service_name, account, region)

    def given_or_configured(
        self, cluster: str | None, service: str | None, account: str | None = None, region: str | None = None
    ) -> Target:
        """Return the target of these names.

        Without them, the configured one or the only one that the policy lists. Raise ``Problem`` where there is none.
        """
        if (cluster is None) != (service is None):
            raise Problem(422, "Which service?", "Name both the cluster and the service, or neither.")
        if cluster is not None and service is not None:
            return self.find(cluster, service, account, region)
        if self.cluster is not None and self.service is not None:
            return self.find(self.cluster, self.service, account, region)
        listed = self.policies.all()
        if len(listed) == 1:
            return listed[0]
        choices = f" The policy lists {', '.join(map(str, listed))}." if listed else ""
        detail = f"Name a cluster and a service, or set CLUSTER_NAME and SERVICE_NAME.{choices}"
        raise Problem(422, "Which service?", detail)
