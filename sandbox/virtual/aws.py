"""boto3 against a simulated AWS in this very process: no socket, no thread, no waiting."""

from typing import Any

import boto3

from sandbox.aws.inprocess import WsgiApplication, answered_by
from services._chassis.aws import AwsConnection


class InProcessConnection(AwsConnection):
    """The clients of all services; the virtual loop makes each call in line."""

    def __init__(self, region: str, app: WsgiApplication) -> None:
        super().__init__(region)
        self._session = boto3.Session("sandbox", "sandbox", region_name=region)
        self._send = answered_by(app)

    def client(self, service: str) -> Any:
        client = super().client(service)
        client.meta.events.register("before-send", self._send, unique_id="sandbox")
        return client
