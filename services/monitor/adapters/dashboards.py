"""A target's dashboard in CloudWatch."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from contracts.base import Target
from contracts.cloudwatch_names import dashboard_name, former_name
from contracts.policy import Monitoring
from services._aws.errors import AwsError, changing, reading
from services._chassis.aws import Aws
from services.monitor.adapters.drawing import Drawing
from services.monitor.domain.rules import Rule
from services.monitor.domain.watched_service import WatchedService

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CloudWatchDashboards:
    aws: Aws
    period: int
    """The seconds that one point of a graph stands for, a multiple of 60."""

    async def put(self, target: Target, service: WatchedService, rules: Iterable[Rule], monitoring: Monitoring) -> str:
        widgets = Drawing(service, monitoring, target.region, self.period).widgets(rules)
        name = dashboard_name(target.cluster, target.service)
        body = json.dumps({"widgets": widgets})
        with changing("CloudWatch", "PutDashboard"):
            await self.aws.at(target).call("cloudwatch", "put_dashboard", DashboardName=name, DashboardBody=body)
        try:
            await self._delete_former(target)
        except AwsError as error:  # the new one stands, and that is what counts
            log.warning("the previous version's dashboard is left behind", target=str(target), why=str(error))
        return name

    async def _delete_former(self, target: Target) -> None:
        """Delete the dashboard of the previous version, unless it shows another service, whose name was the same."""
        name = former_name(target.cluster, target.service)
        body = await self._body(target, name)
        if body is None or not shows(body, target):
            return
        with changing("CloudWatch", "DeleteDashboards"):
            await self.aws.at(target).call("cloudwatch", "delete_dashboards", DashboardNames=[name])

    async def body(self, target: Target) -> str | None:
        return await self._body(target, dashboard_name(target.cluster, target.service))

    async def _body(self, target: Target, name: str) -> str | None:
        try:
            with reading("CloudWatch", "GetDashboard"):
                answer = await self.aws.at(target).call("cloudwatch", "get_dashboard", DashboardName=name)
        except AwsError as error:
            if error.code in {"ResourceNotFound", "DashboardNotFoundError"}:
                return None
            raise
        return str(answer["DashboardBody"])


def shows(body: str, target: Target) -> bool:
    """Return whether a dashboard shows a metric of exactly this service."""
    named = ["ClusterName", target.cluster, "ServiceName", target.service]
    widgets = json.loads(body).get("widgets") or ()
    lines = (line for widget in widgets for line in widget.get("properties", {}).get("metrics") or ())
    return any(line[2:6] == named for line in lines)
