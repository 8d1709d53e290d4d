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
        is_new = service not in self._clients
        client = super().client(service)
        if is_new:
            client.meta.events.register("before-send", self._send)
        return client
