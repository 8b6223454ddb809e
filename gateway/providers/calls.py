"""What goes into an upstream adapter and what comes out of it.

The errors:

    ProviderError                 nothing usable came back; says whether bytes had arrived
    ├── AddressRefused            the resolved address is not allowed for this zone
    ├── ConnectFailed             no connection (refused, DNS, TLS)
    ├── UpstreamTimeout           connected, then silence beyond the limit
    ├── UpstreamClosed            the connection ended early (`after_first_byte` says when)
    ├── UpstreamProtocolError     what came back is not HTTP, or not what the dialect promises
    ├── ForwardsElsewhere         an on_prem server would pass the request on: never sent
    ├── RequestRefused            cannot be written safely (a line break in a header): never sent
    └── PermitViolation           the call does not match its permit: a defect of ours, never sent
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from policies.engine.facts import Zone
from policies.engine.permit import Permit

Network = IPv4Network | IPv6Network


class ProviderError(Exception):
    """Base of what an adapter raises. `operator_detail` never carries request content."""

    code = "provider_error"

    def __init__(self, operator_detail: str, *, after_first_byte: bool = False) -> None:
        super().__init__(operator_detail)
        self.operator_detail = operator_detail
        self.after_first_byte = after_first_byte


class AddressRefused(ProviderError):
    """The destination resolves to an address that its zone may not use."""

    code = "address_refused"


class ConnectFailed(ProviderError):
    """No connection could be made."""

    code = "connect_failed"


class UpstreamTimeout(ProviderError):
    """The destination stayed silent longer than its limit."""

    code = "timeout"


class UpstreamClosed(ProviderError):
    """The destination closed the connection before the answer was complete."""

    code = "closed_early"


class UpstreamProtocolError(ProviderError):
    """The answer could not be understood."""

    code = "protocol_error"


class ForwardsElsewhere(ProviderError):
    """A server that counts as on_prem would pass the request on to another host. Nothing was
    sent but the question."""

    code = "forwards_elsewhere"


class RequestRefused(ProviderError):
    """The call cannot be written as a safe request (address, path or header). Nothing was sent."""

    code = "request_refused"


class PermitViolation(ProviderError):
    """The call and its permit disagree. Nothing was sent."""

    code = "permit_violation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where one deployment is. Held in memory only: `credential` is the decrypted secret.

    `networks` limits the addresses an on_prem destination may resolve to. `base_url` ends
    before the endpoint's path (`http://10.0.0.5:8000/v1`). Times in seconds: `connect_timeout_s`
    for the connection, `first_byte_timeout_s` until the answer begins, `idle_timeout_s` between
    two chunks.
    """

    deployment: str
    provider: str  # "openai_compatible", "litellm_cloud"
    zone: Zone
    base_url: str
    upstream_model: str
    credential: str = field(default="", repr=False)
    networks: tuple[Network, ...] = ()
    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 120.0
    idle_timeout_s: float = 60.0
    options: Mapping[str, str] = field(
        default_factory=dict
    )  # e.g. {"litellm_provider": "anthropic"}

    def is_where(self, decided: "Destination | None") -> bool:
        """Whether it is the place that was decided on. A key that was rotated since is no other
        place: requests under way use the new one."""
        return decided is self or (
            decided is not None and replace(decided, credential=self.credential) == self
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One attempt at one destination.

    `body` is the decoded tree that was labelled, already reduced to what this destination may
    see, with `model` set to the upstream model. `path` is the endpoint's path below the base URL
    ("/chat/completions"). `permit` must list the destination and not be expired at `now`.
    """

    permit: Permit
    destination: Destination
    path: str
    body: bytes = field(repr=False)
    stream: bool
    request_id: str
    # vLLM's own routes stand beside `/v1`, not below it: `path` begins there.
    beside_version: bool = False


class Answer(Protocol):
    """An answer whose head has arrived. `aclose` must be called on every path; it cancels the
    upstream request when the body was not read to its end."""

    status: int
    headers: Mapping[str, str]  # lower-case names, allow-listed

    def chunks(self) -> AsyncIterator[bytes]:
        """The body's bytes as they arrive. Raises ProviderError(after_first_byte=True)."""
        ...

    async def read(self, limit: int) -> bytes:
        """The whole body, at most `limit` bytes; raises UpstreamProtocolError beyond."""
        ...

    async def aclose(self) -> None:
        """Give the connection back, or cut it when the body was not read to its end."""
        ...


class Provider(Protocol):
    """An adapter kind."""

    async def send(self, call: Call) -> Answer:
        """Send one request to one destination; returns once status and headers are there."""
        ...

    async def aclose(self) -> None:
        """Close pools and children."""
        ...


__all__ = [
    "AddressRefused",
    "Answer",
    "Call",
    "ConnectFailed",
    "Destination",
    "ForwardsElsewhere",
    "PermitViolation",
    "Provider",
    "ProviderError",
    "RequestRefused",
    "UpstreamClosed",
    "UpstreamProtocolError",
    "UpstreamTimeout",
]
