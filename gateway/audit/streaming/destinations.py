"""Where heads and events are sent, as the operator writes it. Pure but for `connect`.

`file:///path`, `syslog+tls://host:6514`, `syslog+tcp://host:601`, `https://host/path`, and
`http://` for an address within the on-prem networks. What is not encrypted goes nowhere else.
"""

import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from gateway.providers.addresses import refusal
from gateway.providers.calls import Network
from policies.engine.facts import Zone

TIMEOUT_S: Final = 10.0
_PORTS: Final = {"syslog+tls": 6514, "syslog+tcp": 601, "https": 443, "http": 80}


class Undelivered(Exception):
    """It did not arrive, or nobody knows whether it did. The text quotes nothing that was sent."""


class Kind(StrEnum):
    """How it is brought there."""

    FILE = "file"
    SYSLOG = "syslog"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One place. `path` is a file's, or a web address's with its query."""

    kind: Kind
    url: str
    host: str = ""
    port: int = 0
    path: str = ""
    encrypted: bool = False

    @property
    def label(self) -> str:
        """What may be shown of it: a web address's path may hold a secret."""
        if self.kind is Kind.FILE:
            return f"file {self.path}"
        return f"{self.url.partition(':')[0]} {self.host}:{self.port}"

    def id(self, purpose: str) -> str:
        """Its name in the database."""
        return sha256(f"{purpose} {self.url}".encode()).hexdigest()[:32]


def parse(url: str) -> Destination:
    """A destination as settings name it. Raises ValueError, whose text shows the scheme alone."""
    parts = urlsplit(url)
    scheme = parts.scheme
    if scheme == "file":
        if parts.netloc or not parts.path.startswith("/"):
            raise ValueError("a file's address is file:///an/absolute/path")
        return Destination(kind=Kind.FILE, url=url, path=parts.path)
    if scheme not in _PORTS:
        known = ", ".join(f"{name}://" for name in ("file", *_PORTS))
        raise ValueError(f"the address begins with {scheme or 'no scheme'}; use one of {known}")
    if not parts.hostname or parts.username or parts.password or parts.fragment:
        raise ValueError(f"the {scheme} address needs a host, and no user, password or fragment")
    web = scheme in {"https", "http"}
    if not web and (parts.path.strip("/") or parts.query):
        raise ValueError(f"the {scheme} address is a host and a port, nothing more")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(
        kind=Kind.WEBHOOK if web else Kind.SYSLOG,
        url=url,
        host=parts.hostname,
        port=parts.port or _PORTS[scheme],
        path=path if web else "",
        encrypted=scheme in {"https", "syslog+tls"},
    )


def connect(
    to: Destination, *, networks: tuple[Network, ...], may_leave: bool, timeout_s: float = TIMEOUT_S
) -> socket.socket:
    """A connection, encrypted where the address says so. Resolves once and connects to what it
    judged. Raises Undelivered.

    `may_leave`: whether anything may leave the on-prem networks at this time.
    """
    try:
        found = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Undelivered("the host has no address") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        why = refusal(address, zone=Zone.CLOUD, networks=(), allow_private=True)
        if why:
            raise Undelivered(f"its address is refused: {why}")
    inside = not any(
        refusal(address, zone=Zone.ON_PREM, networks=networks, allow_private=True)
        for address in addresses
    )
    if not inside and not to.encrypted:
        raise Undelivered("it is not in SLUICE_ON_PREM_NETWORKS, and not encrypted")
    if not inside and not may_leave:
        raise Undelivered("everything that leaves on-prem is stopped (manage.py egress resume)")
    try:
        plain = socket.create_connection((addresses[0], to.port), timeout=timeout_s)
    except OSError as error:
        raise Undelivered(f"cannot connect: {_reason(error)}") from None
    if not to.encrypted:
        return plain
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=to.host)
    except OSError as error:
        plain.close()
        raise Undelivered(f"no encrypted connection: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate: {error.verify_message}"
    return error.strerror or type(error).__name__
