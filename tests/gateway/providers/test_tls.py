"""TLS with the name checked; a certificate of our own authority, made for this run."""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.providers.calls import ConnectFailed
from gateway.providers.http_client import HttpClient
from gateway.providers.openai_compatible import OpenAICompatible
from tests.gateway.providers.calls_for_tests import call, clock, destination, run
from tests.gateway.providers.fault_server import FaultServer
from tests.support.certificates import make_certificate

NAME = "model.example"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key for `NAME` in one file; it is its own authority."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "both.pem", NAME)


def _server(certificate: Path) -> FaultServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return FaultServer(ssl_context=context)


async def _here(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def _ask(certificate: Path, *, host: str, trusted: bool) -> bytes:
    async def main() -> bytes:
        # A refused handshake is the server's error too; its log line is not ours to judge.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        context = ssl.create_default_context(cafile=str(certificate) if trusted else None)
        async with _server(certificate) as server:
            client = HttpClient(resolver=_here, ssl_context=context)
            provider = OpenAICompatible(client=client, clock=clock)
            try:
                to = destination(f"https://{host}:{server.port}/v1")
                text = b""
                for _ in range(2):
                    answer = await provider.send(call(to, {"stream": True}))
                    text = await answer.read(10_000)
                    await answer.aclose()
                assert server.connections == 1
                assert server.received[0].header("host") == f"{host}:{server.port}"
                return text
            finally:
                await provider.aclose()

    return run(main())


def test_a_trusted_certificate_for_the_name_is_accepted(certificate: Path) -> None:
    assert b"[DONE]" in _ask(certificate, host=NAME, trusted=True)


def test_a_certificate_for_another_name_is_refused(certificate: Path) -> None:
    with pytest.raises(ConnectFailed, match="certificate is not trusted"):
        _ask(certificate, host="other.example", trusted=True)


def test_an_unknown_authority_is_refused(certificate: Path) -> None:
    with pytest.raises(ConnectFailed, match="certificate is not trusted"):
        _ask(certificate, host=NAME, trusted=False)
