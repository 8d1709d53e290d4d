"""Reads values of headers from AWS Secrets Manager. Only the request that carries a value may show it."""

import asyncio
import re
from dataclasses import dataclass

from pydantic import SecretStr

from contracts.base import Target
from contracts.policy import Application
from services._aws.errors import AwsError, reading
from services._chassis.aws import Aws
from services._chassis.policies import Policies
from services._chassis.web import origin_of

_HEADER_VALUE = re.compile(r"[ -~]{1,8192}")
"""The values that HTTP allows; a library's error would quote any other value."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of every target's own account and region. No value is kept: a rotated one takes effect at once."""

    aws: Aws
    policies: Policies

    async def headers(self, target: Target, application: Application) -> dict[str, SecretStr]:
        """Return the headers of ``application`` with their values.

        A command carries the policy of its run, and whoever can publish a command can write one. So a secret is read
        only where the policy in force sends it under the same header to the same scheme, host and port. Raise
        ``AwsError`` with a sentence for a secret that is withheld, or that cannot be read or used.
        """
        if not application.headers:
            return {}
        try:
            in_force = self.policies.of(target).application
        except LookupError as error:
            raise AwsError(str(error), code="Withheld") from None
        if (why := withheld(application, in_force)) is not None:
            raise AwsError(why, code="Withheld")
        values = await asyncio.gather(*(self._value(target, name) for name in application.headers.values()))
        return dict(zip(application.headers, values, strict=True))

    async def _value(self, target: Target, name: str) -> SecretStr:
        """Return the text of a secret without the white space around it. Raise ``AwsError``."""
        try:
            with reading("Secrets Manager", "GetSecretValue"):
                answer = await self.aws.at(target).call("secretsmanager", "get_secret_value", SecretId=name)
        except AwsError as error:
            raise AwsError(
                f"cannot read the secret {name}: {error}", code=error.code, temporary=error.temporary
            ) from None
        text = str(answer.get("SecretString") or "").strip()
        if not _HEADER_VALUE.fullmatch(text):
            raise AwsError(f"cannot read the secret {name}: it is no text that a header can have", code="NoHeaderValue")
        return SecretStr(text)


def withheld(asked: Application, in_force: Application) -> str | None:
    """Return why the secrets of ``asked`` are not read; None where the policy in force sends them as well."""
    for header, name in asked.headers.items():
        if in_force.headers.get(header) != name:
            return (
                f"the secret {name} is not read, since the policy in force does not send it as {header}: "
                "list it there under `headers`, and deploy again"
            )
    urls = (asked.url, in_force.url)
    origins = {url and origin_of(url) for url in urls}
    if len(origins) > 1:
        return "secrets of headers are not read, since the policy in force has another `application.url`: deploy again"
    return None
