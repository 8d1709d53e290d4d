"""boto3 against a simulated AWS in this very process: no socket, no thread, no waiting."""

import time
from collections.abc import Callable
from typing import Any

from botocore.credentials import Credentials

from sandbox.aws.inprocess import WsgiApplication, answered_by
from services._chassis.aws_connection import AwsConnection


class InProcessConnection(AwsConnection):
    """The AWS clients of all services; the virtual loop runs each call synchronously."""

    def __init__(self, region: str, app: WsgiApplication, now: Callable[[], float] = time.time) -> None:
        """``now``: the time in which credentials end at the simulated AWS."""
        self._send = answered_by(app)
        super().__init__(region, find=lambda: Credentials("sandbox", "sandbox"), now=now)

    def _prepare(self, client: Any) -> None:
        client.meta.events.register("before-send", self._send)
