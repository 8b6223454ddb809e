"""Brings lines to a destination and returns when they have arrived. Raises Undelivered otherwise.

At least once: whoever calls this remembers what was delivered only after it returned, so what is
in doubt is sent again.
"""

import base64
import contextlib
import fcntl
import http.client
import os
import socket
import ssl
import struct
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.heads import key_id
from gateway.audit.streaming.destinations import TIMEOUT_S, Destination, Kind, Undelivered, connect
from gateway.providers.calls import Network

WEBHOOK_SIGNED_AS: Final = b"sluice webhook 1\n"
# Facility 13 (log audit), severity 6 (informational): RFC 5424, 6.2.1.
_PRIORITY: Final = 13 * 8 + 6
_ANSWER_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line (JSON, no newline) with its time and what kind of thing it tells of."""

    at: datetime
    kind: str  # "head", "decision", "outcome", "event": RFC 5424's MSGID
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What sending needs of its surroundings."""

    key: Ed25519PrivateKey
    networks: tuple[Network, ...]
    may_leave: bool
    timeout_s: float = TIMEOUT_S

    def send(self, to: Destination, items: Sequence[Item]) -> None:
        """Deliver all of them, in order. Raises Undelivered."""
        if not items:
            return
        match to.kind:
            case Kind.FILE:
                append(Path(to.path), items)
            case Kind.SYSLOG:
                self._syslog(to, items)
            case Kind.WEBHOOK:
                self._webhook(to, items)

    def _connect(self, to: Destination) -> socket.socket:
        return connect(
            to, networks=self.networks, may_leave=self.may_leave, timeout_s=self.timeout_s
        )

    def _syslog(self, to: Destination, items: Sequence[Item]) -> None:
        host = socket.gethostname()
        payload = b"".join(frame(item, host=host) for item in items)
        with contextlib.closing(self._connect(to)) as connection:
            try:
                connection.sendall(payload)
                _await_arrival(connection)
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise Undelivered(f"the connection broke: {reason}") from None

    def _webhook(self, to: Destination, items: Sequence[Item]) -> None:
        body = "".join(f"{item.line}\n" for item in items).encode()
        headers = signature_headers(self.key, body, at=int(time.time()))
        headers["Content-Type"] = "application/x-ndjson"
        headers["Connection"] = "close"
        with contextlib.closing(self._connect(to)) as connection:
            client = http.client.HTTPConnection(to.host, to.port, timeout=self.timeout_s)
            client.sock = connection  # judged, and never opened by the client itself
            try:
                client.request("POST", to.path, body=body, headers=headers)
                answer = client.getresponse()
                answer.read(_ANSWER_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise Undelivered(f"no answer: {type(error).__name__}") from None
        if not 200 <= answer.status < 300:
            raise Undelivered(f"it answered with status {answer.status}")


def signature_headers(key: Ed25519PrivateKey, body: bytes, *, at: int) -> dict[str, str]:
    """Proof for the receiver of who sent a body, and when (Unix seconds)."""
    signature = key.sign(WEBHOOK_SIGNED_AS + str(at).encode() + b"\n" + body)
    return {
        "Sluice-Time": str(at),
        "Sluice-Key": key_id(key.public_key()),
        "Sluice-Signature": base64.b64encode(signature).decode(),
    }


def frame(item: Item, *, host: str) -> bytes:
    """An RFC 5424 message with its length before it (RFC 5425, 4.3)."""
    at = item.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    name = "".join(char for char in host if "!" <= char <= "~")[:255] or "-"
    text = f"<{_PRIORITY}>1 {at} {name} sluice {os.getpid()} {item.kind} - {item.line}"
    message = text.encode()
    return b"%d %b" % (len(message), message)


def append(path: Path, items: Sequence[Item]) -> None:
    """Add lines to a file and bring them to the disk. Raises Undelivered."""
    data = "".join(f"{item.line}\n" for item in items).encode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.write(descriptor, data) != len(data):
                # The next line must not be glued to what stands there now.
                os.write(descriptor, b"\n")
                raise Undelivered("it could not be written whole: is the disk full?")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Undelivered(f"cannot write: {error.strerror}") from None


def _await_arrival(connection: socket.socket) -> None:
    """Syslog has no answer. We say that we end and wait for the receiver to end, too: it has read
    everything then. One that does not within the time-out has at least acknowledged every byte.

    Raises OSError, Undelivered.
    """
    plain = connection
    if isinstance(connection, ssl.SSLSocket):
        with contextlib.suppress(ssl.SSLError, TimeoutError):
            plain = connection.unwrap()
    with contextlib.suppress(OSError):  # the receiver ended first
        plain.shutdown(socket.SHUT_WR)
    try:
        while plain.recv(_ANSWER_BYTES):
            pass
    except TimeoutError:
        if _unacknowledged(plain):
            raise Undelivered("the receiver did not take everything in time") from None


def _unacknowledged(connection: socket.socket) -> int:
    """Bytes that the other host's kernel has not confirmed. Linux's SIOCOUTQ."""
    answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])
