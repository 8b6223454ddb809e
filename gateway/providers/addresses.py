"""Which addresses a destination may have, checked at every connect.

Owns the answer to "may this deployment be reached there?". Does no connecting: `checked_addresses`
resolves, judges every address that came back, and returns them for the caller to connect to. The
name is not resolved again, so it cannot change its meaning between the check and the use.

INVARIANT: one refused address refuses the whole name. A name that points both inside and outside
of its networks is a mistake or an attack, and choosing the harmless half would hide it.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gateway.providers.calls import AddressRefused, ConnectFailed, Network
from policies.engine.facts import Zone

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

# No model is ever served from these, whatever the configuration says. Instance metadata services
# hand out credentials to whoever can make a server ask them.
_NEVER: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this network"; 0.0.0.0 reaches the machine itself
        "169.254.0.0/16",  # link-local; metadata of AWS, GCP, Azure, OpenStack
        "100.100.100.200/32",  # metadata of Alibaba Cloud
        "168.63.129.16/32",  # Azure's platform channel
        "192.0.0.192/32",  # metadata of Oracle Cloud, older form
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "::/128",
        "fe80::/10",
        "fec0::/10",  # site-local, withdrawn
        "ff00::/8",
        "fd00:ec2::254/128",  # metadata of AWS over IPv6
        "fd20:ce::254/128",  # metadata of GCP over IPv6
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")  # RFC 8215
_COMPATIBLE = IPv6Network("::/96")  # RFC 4291, deprecated


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of `host` in the system's order. Raises OSError when it has none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def checked_addresses(
    host: str,
    port: int,
    *,
    zone: Zone,
    networks: tuple[Network, ...],
    allow_private: bool,
    resolver: Resolver = resolve,
) -> list[str]:
    """The addresses of `host`, each of which this zone may use.

    Raises AddressRefused when one may not be used, ConnectFailed when there is none.
    """
    literal = _literal(host)
    if literal is not None:
        texts: Sequence[str] = [str(literal)]
    else:
        try:
            texts = await resolver(host, port)
        except (OSError, UnicodeError) as error:
            raise ConnectFailed(f"{host} has no address: {_reason(error)}") from error
    if not texts:
        raise ConnectFailed(f"{host} has no address")
    for text in texts:
        reason = refusal(text, zone=zone, networks=networks, allow_private=allow_private)
        if reason:
            raise AddressRefused(f"{host} resolves to {text}: {reason}")
    return list(texts)


def refusal(text: str, *, zone: Zone, networks: Iterable[Network], allow_private: bool) -> str:
    """Why the address may not be used by a deployment of `zone`, in words; empty: it may."""
    try:
        forms = _forms(ip_address(text))
    except ValueError:
        return "not an IP address"
    if any(_within(form, _NEVER) for form in forms):
        return "link-local, metadata, multicast and unspecified addresses are never used"
    if zone is Zone.ON_PREM:
        networks = tuple(networks)
        if not all(_within(form, networks) for form in forms):
            return "outside of the networks listed for on_prem (SLUICE_ON_PREM_NETWORKS)"
        return ""
    if not allow_private and not all(form.is_global for form in forms):
        return f"not a public address, which zone {zone.value} needs (option allow_private)"
    return ""


def _forms(address: Address) -> tuple[Address, ...]:
    """Every address that is meant: IPv6 forms that carry an IPv4 address reach that one."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    forms: list[Address] = [address]
    if address in _NAT64_LOCAL:
        forms.append(IPv4Address(int(address) & 0xFFFFFFFF))
    elif address.sixtofour is not None:
        forms.append(address.sixtofour)
    elif address.teredo is not None:
        forms.extend(address.teredo)
    elif address in _COMPATIBLE and int(address) > 1:
        forms.append(IPv4Address(int(address)))
    return tuple(forms)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    for network in networks:
        if isinstance(address, IPv4Address):
            if isinstance(network, IPv4Network) and address in network:
                return True
        elif isinstance(network, IPv6Network) and address in network:
            return True
    return False


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
