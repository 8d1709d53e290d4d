"""HTTP over TLS: the certificate that is in its file now is served, and the command line trusts whom it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from services._chassis.http import create_http, create_server, end_http
from services._chassis.http_connections import listen
from services._chassis.readiness import Readiness
from services._chassis.tls_files import TlsFiles, TlsWatch
from surefoot.client import Refused, Surefoot
from surefoot.output import CannotDo
from tests.chassis.certificates import NOW, Authority

NAMES = ("", "SUREFOOT_HTTP_CERTIFICATE", "SUREFOOT_HTTP_KEY")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Authority, TlsWatch, str]]:
    """An authority, the watch of the files that are served, and the address."""
    authority, readiness = Authority(tmp_path), Readiness()
    pair = authority.issue("server")
    files = TlsFiles("http", NAMES, None, str(pair.certificate), str(pair.key), serves=True)

    async def lacks() -> dict[str, str]:
        return {}

    listening = listen("127.0.0.1", 0)
    server = create_server(create_http(lacks, readiness), listening.connections, tls=files.context)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    yield authority, TlsWatch([files], readiness, NOW.timestamp), f"https://127.0.0.1:{listening.getsockname()[1]}"
    await end_http(server, serving)


async def test_a_renewed_certificate_is_served_and_its_days_are_told(
    served: tuple[Authority, TlsWatch, str],
) -> None:
    authority, watch, url = served
    trusting = TlsFiles("test", ("", "", ""), str(authority.file)).context
    for days in (30, 3):
        authority.issue("server", days=days)
        watch.look()
        async with httpx2.AsyncClient(verify=trusting) as client:
            ready = (await client.get(f"{url}/readyz")).json()
        assert ready["certificates"] == {"http": {"days_left": days}}
    assert ready["degraded"] == ["The certificate for http expires in 3.0 days: renew SUREFOOT_HTTP_CERTIFICATE."]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_old_versions_of_tls_are_not_spoken(served: tuple[Authority, TlsWatch, str]) -> None:
    authority, _, url = served
    old = TlsFiles("test", ("", "", ""), str(authority.file)).context
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with httpx2.AsyncClient(verify=old) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"{url}/livez")


async def test_the_command_line_trusts_the_authority_that_it_is_told(
    served: tuple[Authority, TlsWatch, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, _, url = served
    with pytest.raises(Refused, match="does not answer"):
        await asyncio.to_thread(Surefoot(url).overview)
    monkeypatch.setenv("SUREFOOT_CA_FILE", str(authority.file))
    assert await asyncio.to_thread(Surefoot(url).answers)
    assert await asyncio.to_thread(Surefoot(url).ready)
    monkeypatch.setenv("SUREFOOT_CA_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(CannotDo, match="SUREFOOT_CA_FILE"):
        Surefoot(url)
