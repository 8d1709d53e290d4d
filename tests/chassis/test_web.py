"""The client of applications over TLS: a load balancer's own name is in no certificate of its owner."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from services._chassis.web import Address, Web


@pytest.fixture
async def https(tmp_path: Path) -> AsyncIterator[str]:
    """A server whose certificate is of another name, and signed by nobody."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "court.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    )
    certificate = builder.sign(key, hashes.SHA256())
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "court.pem"
    file.write_bytes(text + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    web = Web("surefoot-test")
    yield web
    await web.close()


async def test_a_load_balancer_that_speaks_https_only_is_called_by_its_own_name(https: str, web: Web) -> None:
    async with web.get(Address(https), "/") as response:
        assert response.status_code == 204


async def test_the_certificate_of_what_users_call_has_to_be_right(https: str, web: Web) -> None:
    with pytest.raises(httpx2.ConnectError):
        async with web.get(Address(https, certified=True), "/"):
            pass


def test_a_rule_s_query_goes_along_with_a_path_s_own() -> None:
    address = Address("http://court.elb:80", query="tenant=a")
    assert address.to("/health") == "http://court.elb:80/health?tenant=a"
    assert address.to("/health?deep=1") == "http://court.elb:80/health?deep=1&tenant=a"
    assert Address("https://court.example/base/").to("/health") == "https://court.example/base/health"


def test_secrets_are_not_sent_to_whoever_answers_with_any_certificate() -> None:
    secrets = {"X-Probe": SecretStr("s3cret")}
    unknown = Address("https://court.elb:443", "court.example", headers={"X-Tier": SecretStr("gold")})
    assert unknown.with_secrets(secrets) is None
    assert unknown.with_secrets({}) == unknown
    known = Address("https://court.elb:443", "court.example", certified=True, headers={"X-Tier": SecretStr("gold")})
    both = known.with_secrets(secrets)
    assert both is not None
    assert both.headers == {"X-Tier": SecretStr("gold")} | secrets
