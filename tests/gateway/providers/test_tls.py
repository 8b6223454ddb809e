"""TLS with the name checked; a certificate of our own authority, made for this run."""

import asyncio
import datetime
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.providers.calls import ConnectFailed
from gateway.providers.http_client import HttpClient
from gateway.providers.openai_compatible import OpenAICompatible
from tests.gateway.providers.calls_for_tests import call, clock, destination, run
from tests.gateway.providers.fault_server import FaultServer

NAME = "model.example"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key for `NAME` in one file; it is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


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
