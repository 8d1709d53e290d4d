"""Reads requests of AWS's protocols: the signature, its service and region, operation and parameters."""

import io
import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson
from moto.core.request import Request
from moto.core.routing import get_service_router

from sandbox.aws.call_log import resource_of
from sandbox.aws.faults.injection import Environ

log = logging.getLogger(__name__)

READABLE_BYTES = 1_000_000
"""Bodies above this aren't searched for the resource that they name."""
GLOBAL_STS = "sts.amazonaws.com"
_SIGNED_AS_GLOBAL = frozenset({"us-east-1", "aws-global"})


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature of a call; its fields are empty where the call is not signed."""

    access_key: str = ""
    region: str = ""
    service: str = ""
    """The service, as signatures name it: CloudWatch signs as ``monitoring``."""
    token: str = ""
    """The session token that came with the signature."""


def signature_of(environ: Environ) -> Signature:
    credential = str(environ.get("HTTP_AUTHORIZATION", "")).partition("Credential=")[2].split(",", 1)[0]
    parts = credential.split("/")
    if len(parts) != 5:
        return Signature()
    return Signature(parts[0], parts[2], parts[3], str(environ.get("HTTP_X_AMZ_SECURITY_TOKEN", "")))


def is_regional_sts(environ: Environ, region: str) -> bool:
    """Return whether a call of STS goes to the endpoint of a region.

    The global endpoint is known by its name; behind an endpoint that stands for all of AWS there is only the region of
    the signature, which is us-east-1 for the global one.
    """
    host = str(environ.get("HTTP_HOST", "")).partition(":")[0]
    if host.endswith(".amazonaws.com"):
        return host != GLOBAL_STS
    return region not in _SIGNED_AS_GLOBAL


def parameters_of(environ: Environ) -> dict[str, Any]:
    """Return the parameters of a JSON or form body; empty for any other. The body can be read again."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    content_type = str(environ.get("CONTENT_TYPE", ""))
    form = "x-www-form-urlencoded" in content_type
    if not (form or "json" in content_type) or not 0 < length <= READABLE_BYTES:
        return {}
    body = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    if form:
        return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def operation_of(service: str, environ: Environ, parameters: dict[str, Any]) -> str:
    """Return the operation's name, from where its protocol puts it."""
    target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
    path = str(environ.get("PATH_INFO", ""))
    if target:
        return target.rsplit(".", 1)[-1]
    if "/operation/" in path:
        return path.rsplit("/", 1)[-1]
    if "Action" in parameters:
        return str(parameters["Action"])
    if service == "s3":
        try:
            return str(get_service_router("s3").match(Request(environ, populate_request=False))[0].name)
        except Exception:  # noqa: BLE001  the log must not stop the call; moto answers what it can
            log.debug("no operation known for %s %s", environ.get("REQUEST_METHOD"), path)
    return f"{environ.get('REQUEST_METHOD')} {path}"


def resource_named(service: str, environ: Environ, parameters: dict[str, Any]) -> str:
    return resource_of(parameters) or (str(environ.get("PATH_INFO")) if service == "s3" else "")
