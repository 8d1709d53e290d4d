"""The wire protocol: the supported requests, their framing, decoding and responses.

One version of each API: the one that aiokafka 0.14 chooses when it meets Apache Kafka 4. So whatever works
here is sent to Kafka 4 in the same form, and nothing that KIP-896 removed can be relied on by accident.
None of these versions has flexible headers.
"""

import asyncio
import struct
from dataclasses import dataclass
from typing import Any

from aiokafka.protocol.admin import (
    ApiVersionRequest_v0,
    ApiVersionResponse_v0,
    CreateTopicsRequest_v3,
    DeleteTopicsRequest_v3,
    DescribeGroupsRequest_v3,
    DescribeGroupsResponse_v3,
    ListGroupsRequest_v1,
)
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.commit import OffsetCommitRequest_v3, OffsetFetchRequest_v3
from aiokafka.protocol.coordination import FindCoordinatorRequest_v1
from aiokafka.protocol.fetch import FetchRequest_v11
from aiokafka.protocol.group import (
    HeartbeatRequest_v1,
    JoinGroupRequest_v5,
    LeaveGroupRequest_v1,
    SyncGroupRequest_v3,
)
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.offset import OffsetRequest_v3
from aiokafka.protocol.produce import ProduceRequest_v7
from aiokafka.protocol.transaction import InitProducerIdRequest_v0

from sandbox.kafka.codes import Code

REQUESTS: dict[int, type[RequestStruct]] = {
    request.API_KEY: request
    for request in (
        ApiVersionRequest_v0,
        CreateTopicsRequest_v3,
        DeleteTopicsRequest_v3,
        DescribeGroupsRequest_v3,
        FetchRequest_v11,
        FindCoordinatorRequest_v1,
        HeartbeatRequest_v1,
        InitProducerIdRequest_v0,
        JoinGroupRequest_v5,
        LeaveGroupRequest_v1,
        ListGroupsRequest_v1,
        MetadataRequest_v5,
        OffsetCommitRequest_v3,
        OffsetFetchRequest_v3,
        OffsetRequest_v3,
        ProduceRequest_v7,
        SyncGroupRequest_v3,
    )
}
VERSIONS = sorted((key, request.API_VERSION, request.API_VERSION) for key, request in REQUESTS.items())
"""(API key, lowest, highest version), as ApiVersions answers."""

MAX_REQUEST_BYTES = 100 * 1024 * 1024
"""Kafka's default `socket.request.max.bytes`."""

_SIZE = struct.Struct(">i")
_HEADER = struct.Struct(">hhih")  # API key, version, correlation id, length of the client's name
_REPLY = struct.Struct(">ii")  # size, correlation id


class MalformedRequest(Exception):
    """The bytes are no request that this broker understands."""


@dataclass(frozen=True, slots=True)
class Request:
    """`body` has the fields of the request's schema in aiokafka.protocol."""

    api_key: int
    correlation_id: int
    client_id: str
    body: Any


@dataclass(frozen=True, slots=True)
class Unsupported:
    """An ApiVersions request in a version that is not offered: answered, so that the client can ask again."""

    correlation_id: int


async def read_request(reader: asyncio.StreamReader) -> Request | Unsupported:
    """The next request of a connection.

    Raises MalformedRequest, and asyncio.IncompleteReadError when the client has gone.
    """
    (size,) = _SIZE.unpack(await reader.readexactly(_SIZE.size))
    if not _HEADER.size <= size <= MAX_REQUEST_BYTES:
        raise MalformedRequest(f"a request of {size} bytes")
    data = await reader.readexactly(size)
    key, version, correlation_id, name_length = _HEADER.unpack_from(data)
    body_at = _HEADER.size + max(0, name_length)
    api = REQUESTS.get(key)
    if api is None or version != api.API_VERSION:
        if api is ApiVersionRequest_v0:
            return Unsupported(correlation_id)
        raise MalformedRequest(f"API {key} version {version} is not offered")
    try:
        return Request(key, correlation_id, data[_HEADER.size : body_at].decode(), api.decode(data[body_at:]))
    except (ValueError, struct.error) as error:
        raise MalformedRequest(f"API {key} version {version}: {error}") from error


def encode(request: Request, fields: tuple[Any, ...]) -> bytes:
    """Returns the framed response, from the fields of its schema in order."""
    response = _response_type(request.api_key)(*fields).encode()
    return _REPLY.pack(len(response) + 4, request.correlation_id) + response


def encode_unsupported(request: Unsupported) -> bytes:
    """ApiVersions' answer to a version that it does not know is always in version 0 (KIP-511)."""
    response = ApiVersionResponse_v0(Code.UNSUPPORTED_VERSION, VERSIONS).encode()
    return _REPLY.pack(len(response) + 4, request.correlation_id) + response


def _response_type(api_key: int) -> type[Response]:
    # aiokafka reads DescribeGroups 3 with the schema of version 2, which only holds while one group is asked.
    if api_key == DescribeGroupsRequest_v3.API_KEY:
        return DescribeGroupsResponse_v3
    return REQUESTS[api_key].RESPONSE_TYPE
