"""Who asks, and how, when a proxy stands in front: `SLUICE_TRUSTED_PROXIES`.

What a client says of itself counts for nothing. Only where the connection comes from a proxy that
the operator listed do its `X-Forwarded-For` and `X-Forwarded-Proto` count; from anyone else they,
and every other header of their kind, are taken away before Django sees them.
"""

from collections.abc import Iterable, MutableMapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

Network = IPv4Network | IPv6Network
_TAKEN_AWAY: Final = (b"forwarded", b"x-real-ip")
_TAKEN_AWAY_START: Final = b"x-forwarded-"


def seen_through(
    scope: MutableMapping[str, Any], trusted: tuple[Network, ...]
) -> MutableMapping[str, Any]:
    """The scope as if the proxies were not there. No I/O."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    kept = [pair for pair in headers if not _of_a_proxy(pair[0])]
    seen = {**scope, "headers": kept}
    client = scope.get("client")
    if client is None or not _within(client[0], trusted):
        return seen
    seen["client"] = (
        _nearest_stranger(client[0], _values(headers, b"x-forwarded-for"), trusted),
        0,
    )
    protocols = _values(headers, b"x-forwarded-proto")
    if protocols and protocols[-1] in {"http", "https"}:
        seen["scheme"] = protocols[-1]
    return seen


def _nearest_stranger(peer: str, said: list[str], trusted: tuple[Network, ...]) -> str:
    """From our side outwards: the first address that is no proxy of ours."""
    for address in reversed(said):
        if _parsed(address) is None:
            return peer  # nonsense: nothing further out can be believed
        peer = address
        if not _within(address, trusted):
            break
    return peer


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    text = ",".join(value.decode("latin-1") for key, value in headers if key.lower() == name)
    return [word.strip() for word in text.split(",") if word.strip()]


def _of_a_proxy(name: bytes) -> bool:
    lower = name.lower()
    return lower in _TAKEN_AWAY or lower.startswith(_TAKEN_AWAY_START)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None


def _within(address: str, networks: tuple[Network, ...]) -> bool:
    found = _parsed(address)
    if found is None:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in networks)
