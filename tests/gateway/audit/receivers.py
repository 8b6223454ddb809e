"""What stands at the other end: a syslog receiver, with TLS or without, and a web address."""

import base64
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from typing_extensions import override

# RFC 5424: priority, version, time, host, application, process, message id, no structured data.
MESSAGE = re.compile(
    r"<110>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [!-~]{1,255} sluice \d+ (\w+) - (\{.*\})"
)


class SyslogReceiver:
    """Reads octet-counted messages (RFC 5425, 4.3) of every connection to its end."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.kinds: list[str] = []
        self.lines: list[str] = []
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def trees(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                try:
                    self._read(self._tls.wrap_socket(connection, True) if self._tls else connection)
                except OSError:  # a sender that does not trust us
                    continue

    def _read(self, connection: socket.socket) -> None:
        data = b""
        while block := connection.recv(65_536):
            data += block
        connection.close()
        while data:
            length, _, rest = data.partition(b" ")
            message, data = rest[: int(length)], rest[int(length) :]
            found = MESSAGE.fullmatch(message.decode())
            assert found is not None, message
            self.kinds.append(found[1])
            self.lines.append(found[2])


@dataclass(slots=True)
class Posted:
    """One request to the web address."""

    path: str
    headers: dict[str, str]
    body: bytes

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """As docs/audit.md tells receivers to check it."""
        signed = b"sluice webhook 1\n" + self.headers["Sluice-Time"].encode() + b"\n" + self.body
        try:
            key.verify(base64.b64decode(self.headers["Sluice-Signature"]), signed)
        except InvalidSignature:
            return False
        return True


@dataclass(slots=True)
class WebReceiver:
    """Keeps what is posted. `answer` says with which status, and may wait before it does."""

    answer: Callable[[], int] = lambda: 204
    posted: list[Posted] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.server_port

    @property
    def lines(self) -> list[str]:
        return [line for each in self.posted for line in each.body.decode().splitlines()]

    @property
    def trees(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    def __enter__(self) -> Self:
        receiver = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posted.append(Posted(self.path, dict(self.headers), body))
                try:
                    self.send_response(receiver.answer())
                    self.end_headers()
                except OSError:  # the sender was killed
                    return

            @override
            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
