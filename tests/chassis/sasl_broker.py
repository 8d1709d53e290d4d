"""A stand-in for a Kafka that only lets clients in, or not: the versions, the SASL handshake, and its exchange."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import ssl
import struct
from collections.abc import AsyncIterator, Callable

Answers = Callable[[bytes], bytes | None]
"""What a client sends to prove who it is → the server's answer; None refuses. Each connection has its own."""
_VERSIONS, _HANDSHAKE, _AUTHENTICATE = 18, 17, 36
_REFUSED = 58


@contextlib.asynccontextmanager
async def sasl_broker(
    mechanism: str, begin: Callable[[], Answers], context: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Yield "host:port" of a server that offers ``mechanism``; ``begin`` is called for each connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = begin()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                frame = await reader.readexactly(size)
                key, _, correlation, client = struct.unpack(">hhih", frame[:10])
                answer = _answer(key, frame[10 + max(client, 0) :], mechanism, answers)
                writer.write(struct.pack(">ii", len(answer) + 4, correlation) + answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _answer(key: int, body: bytes, mechanism: str, answers: Answers) -> bytes:
    if key == _VERSIONS:
        apis = ((_VERSIONS, 0, 0), (_HANDSHAKE, 1, 1), (_AUTHENTICATE, 0, 0))
        return struct.pack(">hi", 0, len(apis)) + b"".join(struct.pack(">hhh", *api) for api in apis)
    if key == _HANDSHAKE:
        return struct.pack(">hih", 0, 1, len(mechanism)) + mechanism.encode()
    given = answers(body[4:])
    code, text = (_REFUSED, b"") if given is None else (0, given)
    return struct.pack(">hhi", code, -1, len(text)) + text


class Plain:
    """PLAIN and its password."""

    def __init__(self, password: str) -> None:
        self._password = password.encode()

    def __call__(self, sent: bytes) -> bytes | None:
        return b"" if sent.rpartition(b"\0")[2] == self._password else None


class Bearer:
    """OAUTHBEARER: a refusal is an answer with content, as Kafka's own is."""

    def __init__(self, token: str, seen: list[str]) -> None:
        self._token = token
        self._seen = seen

    def __call__(self, sent: bytes) -> bytes | None:
        token = sent.decode().partition("auth=Bearer ")[2].partition("\x01")[0]
        self._seen.append(token)
        return b"" if token == self._token else b'{"status":"invalid_token"}'


class Scram:
    """SCRAM-SHA-256 (RFC 5802) of a server that asks for ``iterations``; ``forged`` does not know the password."""

    def __init__(self, password: str, iterations: int = 4096, *, forged: bool = False) -> None:
        self._password = password.encode()
        self._iterations = iterations
        self._forged = forged
        self._first = self._bare = ""

    def __call__(self, sent: bytes) -> bytes | None:
        text = sent.decode()
        if not self._first:
            self._bare = text.removeprefix("n,,")
            nonce = self._bare.partition("r=")[2]
            self._first = f"r={nonce}server,s={base64.b64encode(b'salt').decode()},i={self._iterations}"
            return self._first.encode()
        without_proof, _, proof = text.partition(",p=")
        if self._forged:
            return b"v=" + base64.b64encode(b"nothing")
        salted = hashlib.pbkdf2_hmac("sha256", self._password, b"salt", self._iterations)
        client_key = self._hmac(salted, b"Client Key")
        message = f"{self._bare},{self._first},{without_proof}".encode()
        signature = self._hmac(hashlib.sha256(client_key).digest(), message)
        expected = bytes(left ^ right for left, right in zip(client_key, signature, strict=True))
        if base64.b64decode(proof) != expected:
            return None
        return b"v=" + base64.b64encode(self._hmac(self._hmac(salted, b"Server Key"), message))

    @staticmethod
    def _hmac(key: bytes, message: bytes) -> bytes:
        return hmac.new(key, message, hashlib.sha256).digest()
