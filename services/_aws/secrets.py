"""Reads values of headers from AWS Secrets Manager. Only the request that carries a value may show it."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from contracts.base import Target
from services._aws.errors import AwsError, reading
from services._chassis.aws import Aws
from services._chassis.clock import Clock

KEPT_SECONDS = 300.0
"""Product seconds for which a value is cached, so that a new value takes effect within minutes."""
_HEADER_VALUE = re.compile(r"[ -~]{1,8192}")
"""The values that HTTP allows; a library's error would quote any other value."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of every target's own account and region."""

    aws: Aws
    clock: Clock
    _read: dict[tuple[str, str, str], tuple[float, SecretStr]] = field(default_factory=dict, repr=False)

    async def headers(self, target: Target, names: Mapping[str, str]) -> dict[str, SecretStr]:
        """Return the headers that ``names`` gives: header → name or ARN of the secret that holds its value.

        Raise ``AwsError`` with the sentence ``cannot read the secret NAME: …`` for a secret that cannot be used.
        """
        values = await asyncio.gather(*(self.value(target, name) for name in names.values()))
        return dict(zip(names, values, strict=True))

    async def value(self, target: Target, name: str) -> SecretStr:
        """Return the text of a secret without the white space around it. Raise ``AwsError``."""
        key, now = (target.account, target.region, name), self.clock.now()
        kept = self._read.get(key)
        if kept is not None and 0 <= now - kept[0] < KEPT_SECONDS:
            return kept[1]
        value = await self._ask(target, name)
        self._read[key] = (now, value)
        return value

    async def _ask(self, target: Target, name: str) -> SecretStr:
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
