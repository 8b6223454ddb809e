"""Where a connection goes: a destination's base URL taken apart, once.

A target is also the key of the connection pool. It carries everything that the address check
depends on, so a connection that was checked for one destination is never lent to another that
would have been judged differently.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gateway.providers.calls import Destination, Network, RequestRefused
from policies.engine.facts import Zone

_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*")


@dataclass(frozen=True, slots=True)
class Target:
    """A TCP endpoint and the addresses it may have. `host` is ASCII, without brackets."""

    tls: bool
    host: str
    port: int
    zone: Zone
    networks: tuple[Network, ...]
    allow_private: bool
    # The pool's key. A string keeps its hash; hashing the networks costs 3 CPU µs a request.
    key: str = field(init=False)

    def __post_init__(self) -> None:
        key = (self.tls, self.host, self.port, self.zone, self.networks, self.allow_private)
        object.__setattr__(self, "key", repr(key))

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SocketTarget:
    """A unix socket of our own; nothing to resolve, nothing to check."""

    path: str

    @property
    def key(self) -> str:
        """The pool's key."""
        return self.path

    @property
    def authority(self) -> str:
        """The value of the Host header; a unix socket has no better one."""
        return "localhost"


AnyTarget = Target | SocketTarget


def target_of(destination: Destination) -> tuple[Target, str]:
    """The target of a destination and the path prefix of its base URL (no trailing slash).

    Raises RequestRefused for what is not a plain http or https URL: no user, query or fragment.
    """
    try:
        parts = urlsplit(destination.base_url)
        host, port = parts.hostname or "", parts.port
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except ValueError:
        raise RequestRefused(_wrong(destination, "it is not a URL")) from None
    if not destination.base_url.isprintable() or " " in destination.base_url:
        raise RequestRefused(_wrong(destination, "spaces and control characters cannot be in it"))
    if parts.scheme not in {"http", "https"}:
        raise RequestRefused(_wrong(destination, "it must begin with http:// or https://"))
    if "@" in parts.netloc or "?" in destination.base_url or "#" in destination.base_url:
        raise RequestRefused(_wrong(destination, "no user, query or fragment may be in it"))
    if not _HOST.fullmatch(host) or not _PATH.fullmatch(parts.path):
        raise RequestRefused(_wrong(destination, "host or path has unusual characters"))
    tls = parts.scheme == "https"
    target = Target(
        tls=tls,
        host=host,
        port=port if port is not None else (443 if tls else 80),
        zone=destination.zone,
        networks=destination.networks,
        allow_private=destination.options.get("allow_private") == "yes",
    )
    return target, parts.path.rstrip("/")


def _wrong(destination: Destination, what: str) -> str:
    return f"base_url of deployment {destination.deployment}: {what}"
