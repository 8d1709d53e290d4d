"""DescribeStacks of CloudFormation, in AWS's query protocol (API reference, DescribeStacks)."""

from collections.abc import Mapping
from xml.sax.saxutils import escape  # it reads no XML # nosec B406

from sandbox.aws.accounts import Place
from sandbox.aws.errors import AwsFault
from sandbox.aws.stacks.stacks import Stack, Stacks

OPERATION = "DescribeStacks"
_NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"


def describe(stacks: Stacks, place: Place, request: Mapping[str, str]) -> bytes:
    """Answer for one stack, or for all, as XML. Raise ``AwsFault``."""
    name = request.get("StackName", "")
    if name and name not in stacks.known:
        raise AwsFault("ValidationError", f"Stack with id {name} does not exist")
    found = [stacks.known[name]] if name else [*stacks.known.values()]
    members = "".join(_member(stack, place) for stack in found)
    return (
        f'<{OPERATION}Response xmlns="{_NAMESPACE}"><{OPERATION}Result><Stacks>{members}</Stacks></{OPERATION}Result>'
        f"<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></{OPERATION}Response>"
    ).encode()


def _member(stack: Stack, place: Place) -> str:
    name = escape(stack.name)
    arn = f"arn:aws:cloudformation:{place.region}:{place.account}:stack/{name}/0"
    return (
        f"<member><StackId>{arn}</StackId><StackName>{name}</StackName>"
        f"<CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>{stack.status}</StackStatus></member>"
    )
