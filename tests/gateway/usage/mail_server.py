"""A mail server that keeps what it is given: as much of SMTP (RFC 5321) as a client needs."""

import socketserver
import threading
from email import message_from_bytes
from email.message import Message
from typing import Self

from typing_extensions import override


class _Session(socketserver.StreamRequestHandler):
    server: "_Server"

    @override
    def handle(self) -> None:
        self._say(b"220 here")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self._say(b"354 go on")
                lines = []
                while (line := self.rfile.readline()) not in {b".\r\n", b""}:
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                self.server.kept.append(message_from_bytes(b"".join(lines)))
                self._say(b"250 kept")
            elif word == b"QUIT":
                self._say(b"221 bye")
                return
            else:
                self._say(b"250 fine")

    def _say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.kept: list[Message] = []


class MailServer:
    """Runs beside the test; `kept` are the messages that arrived."""

    def __init__(self) -> None:
        self._server = _Server()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def kept(self) -> list[Message]:
        return self._server.kept

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
