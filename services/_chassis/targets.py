"""Finds the service that a request over HTTP means: from the names in its path or query, and from the policy.

Used as FastAPI dependencies, so that all seven services take ``account`` and ``region`` alike.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from contracts.base import AccountId, Name, Region, Target
from services._chassis.access.permit import Asking, NowAsking
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
        asking: Asking,
        cluster: str,
        service: str,
        account: str | None = None,
        region: str | None = None,
        *,
        begins: bool = True,
    ) -> Target:
        """Return the one target of these names, for which the caller has the role that the route needs.

        Raise ``Refused`` where the caller has not, and ``Problem`` where there are several such targets.

        ``begins``: whether the request begins something; then ``Problem`` is raised, too, where Surefoot may not act.
        Work under way can be looked at and stopped even after its service was taken from the policy.
        """
        try:
            target = self.policies.named(cluster, service, account, region)
        except LookupError as error:
            seen = ", ".join(str(choice) for choice in getattr(error, "choices", ()) if asking.sees(choice))
            why = f"Several services are called {cluster}/{service}: name the account and the region, too."
            raise Problem(422, "Which service?", f"{why} There are {seen}." if seen else why) from None
        asking.about(target)
        try:
            return self.policies.find(cluster, service, account, region) if begins else target
        except LookupError as error:
            raise Problem(404, "No such service here", f"{error}.") from None

    def in_path(
        self,
        asking: NowAsking,
        cluster_name: Name,
        service_name: Name,
        account: Account = None,
        region: InRegion = None,
    ) -> Target:
        """Return the target that the path names, for a request that begins something."""
        return self.find(asking, cluster_name, service_name, account, region)

    def named_in_path(
        self,
        asking: NowAsking,
        cluster_name: Name,
        service_name: Name,
        account: Account = None,
        region: InRegion = None,
    ) -> Target:
        """Return the target that the path names, for a request that looks at something or stops it."""
        return self.find(asking, cluster_name, service_name, account, region, begins=False)

    def in_query(
        self,
        asking: NowAsking,
        cluster_name: Annotated[Name | None, Query()] = None,
        service_name: Annotated[Name | None, Query()] = None,
        account: Account = None,
        region: InRegion = None,
    ) -> Target:
        """Return the target that the query names, else the configured one."""
        return self.given_or_configured(asking, cluster_name, service_name, account, region)

    def given_or_configured(
        self,
        asking: Asking,
        cluster: str | None,
        service: str | None,
        account: str | None = None,
        region: str | None = None,
    ) -> Target:
        """Return the target of these names.

        Without them, the configured one or the only one that the policy lists and the caller may look at. Raise
        ``Problem`` where there is none.
        """
        if (cluster is None) != (service is None):
            raise Problem(422, "Which service?", "Name both the cluster and the service, or neither.")
        if cluster is not None and service is not None:
            return self.find(asking, cluster, service, account, region)
        if self.cluster is not None and self.service is not None:
            return self.find(asking, self.cluster, self.service, account, region)
        listed = [target for target in self.policies.all() if asking.sees(target)]
        if len(listed) == 1:
            asking.about(listed[0])
            return listed[0]
        choices = f" The policy lists {', '.join(map(str, listed))}." if listed else ""
        detail = f"Name a cluster and a service, or set CLUSTER_NAME and SERVICE_NAME.{choices}"
        raise Problem(422, "Which service?", detail)
