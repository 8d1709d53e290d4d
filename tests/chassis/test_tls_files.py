"""Files of certificates: what is renewed is served, what is broken is not, and what expires is told."""

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from services._chassis.connection_settings import ConnectionFault
from services._chassis.readiness import Readiness
from services._chassis.tls_files import TlsFiles, TlsWatch
from tests.chassis.certificates import NOW, Authority, Pair

NAMES = ("CA", "CERTIFICATE", "KEY")


def served_by(pair: Pair) -> TlsFiles:
    return TlsFiles("http", NAMES, None, str(pair.certificate), str(pair.key), serves=True)


def trusting(authority: Authority, pair: Pair | None = None) -> TlsFiles:
    named = (str(pair.certificate), str(pair.key)) if pair else (None, None)
    return TlsFiles("kafka", NAMES, str(authority.file), *named)


async def serial(server: TlsFiles, client: TlsFiles) -> int:
    """Return the serial number of the certificate that a new connection sees."""
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=server.context)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client.context)
        seen = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
    return x509.load_der_x509_certificate(seen).serial_number


def serial_in(pair: Pair) -> int:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes()).serial_number


async def test_a_renewed_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server")
    server, client = served_by(pair), trusting(authority)
    before = await serial(server, client)
    assert before == serial_in(pair)
    authority.issue("server")
    assert server.look()
    assert not server.look()
    assert await serial(server, client) == serial_in(pair) != before


@pytest.mark.parametrize("broken", ["another key", "no key", "cut short"])
async def test_a_pair_that_cannot_be_used_leaves_the_one_before(tmp_path: Path, broken: str) -> None:
    authority, readiness = Authority(tmp_path), Readiness()
    pair = authority.issue("server")
    server, client = served_by(pair), trusting(authority)
    watch = TlsWatch([server], readiness, NOW.timestamp)
    before = await serial(server, client)
    match broken:
        case "another key":
            pair.key.write_bytes(authority.issue("other").key.read_bytes())
        case "no key":
            pair.key.unlink()
        case "cut short":
            pair.certificate.write_bytes(pair.certificate.read_bytes()[:100])
    watch.look()
    assert await serial(server, client) == before
    (sentence,) = readiness.degraded
    assert "still used for http" in sentence
    authority.issue("server")
    watch.look()
    assert readiness.degraded == []
    assert await serial(server, client) == serial_in(pair)


async def test_a_new_authority_is_trusted_without_a_restart(tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    client, server = trusting(old), served_by(new.issue("server"))
    with pytest.raises(ssl.SSLCertVerificationError):
        await serial(server, client)
    old.file.write_bytes(old.file.read_bytes() + new.file.read_bytes())
    assert client.look()
    await serial(server, client)


@pytest.mark.parametrize(
    ("days", "said"), [(30, None), (6.9, "expires in 6.9 days: renew CERTIFICATE"), (-1, "has expired")]
)
def test_a_certificate_that_expires_soon_is_told(tmp_path: Path, days: float, said: str | None) -> None:
    readiness = Readiness()
    pair = Authority(tmp_path).issue("server", days=days)
    TlsWatch([served_by(pair)], readiness, NOW.timestamp)
    assert [said in sentence for sentence in readiness.degraded if said] == ([True] if said else [])
    assert len(readiness.degraded) == (1 if said else 0)
    assert readiness.facts["certificates"]() == {"http": {"days_left": days}}


def test_the_days_left_are_those_of_the_first_that_ends(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair, soon = authority.issue("server"), authority.issue("intermediate", days=3)
    pair.certificate.write_bytes(pair.certificate.read_bytes() + soon.certificate.read_bytes())
    left = served_by(pair).days_left(NOW + timedelta(days=1))
    assert left is not None
    assert round(left, 3) == 2


@pytest.mark.parametrize("what", ["empty", "text", "a key with a password"])
def test_files_that_cannot_be_used_are_named_at_the_start(tmp_path: Path, what: str) -> None:
    pair = Authority(tmp_path).issue("server")
    if what == "a key with a password":
        pair.key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n")
    else:
        pair.certificate.write_text("" if what == "empty" else "text")
    with pytest.raises(ConnectionFault, match="CERTIFICATE and KEY"):
        served_by(pair)


def test_authorities_that_are_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConnectionFault, match="CA names"):
        TlsFiles("kafka", NAMES, str(tmp_path / "ca.pem"))
