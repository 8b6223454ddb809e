"""Which addresses each zone may use, with a resolver that says what the test wants."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_network

import pytest

from gateway.providers.addresses import Resolver, checked_addresses, refusal
from gateway.providers.calls import AddressRefused, ConnectFailed, Network
from policies.engine.facts import Zone

OURS: tuple[Network, ...] = (ip_network("10.1.0.0/16"), ip_network("fd12::/16"))
EVERYTHING: tuple[Network, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))

NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",  # noqa: S104 - judged, not bound
    "0.1.2.3",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%lo",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "::a9fe:a9fe",
]


def answering(*addresses: str) -> Resolver:
    async def resolver(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return resolver


def checked(
    resolver: Resolver,
    *,
    host: str = "model.example",
    zone: Zone = Zone.ON_PREM,
    networks: tuple[Network, ...] = OURS,
    allow_private: bool = False,
) -> list[str]:
    return asyncio.run(
        checked_addresses(
            host,
            8000,
            zone=zone,
            networks=networks,
            allow_private=allow_private,
            resolver=resolver,
        )
    )


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("zone", list(Zone))
def test_metadata_and_link_local_are_refused_whatever_is_configured(
    address: str, zone: Zone
) -> None:
    reason = refusal(address, zone=zone, networks=EVERYTHING, allow_private=True)
    assert "never used" in reason


@pytest.mark.parametrize("address", ["10.1.2.3", "fd12::7", "::ffff:10.1.2.3"])
def test_on_prem_may_use_the_listed_networks(address: str) -> None:
    assert checked(answering(address)) == [address]


@pytest.mark.parametrize(
    "address",
    ["10.2.0.1", "8.8.8.8", "127.0.0.1", "::1", "::ffff:8.8.8.8", "2002:0a01:0203::1", "fd13::1"],
)
def test_on_prem_outside_of_the_listed_networks_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused, match="outside of the networks"):
        checked(answering(address))


def test_on_prem_without_any_network_is_refused() -> None:
    with pytest.raises(AddressRefused):
        checked(answering("127.0.0.1"), networks=())


def test_an_address_outside_beside_one_inside_refuses_the_name() -> None:
    with pytest.raises(AddressRefused, match=r"8\.8\.8\.8"):
        checked(answering("10.1.2.3", "8.8.8.8"))


@pytest.mark.parametrize("zone", [Zone.CLOUD, Zone.PRIVATE_CLOUD])
@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "127.0.0.1",
        "192.168.1.1",
        "172.16.0.9",
        "100.64.0.1",
        "::1",
        "fd12::7",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "::7f00:1",
    ],
)
def test_a_vendor_on_a_private_address_needs_the_option(zone: Zone, address: str) -> None:
    with pytest.raises(AddressRefused, match="allow_private"):
        checked(answering(address), zone=zone)
    assert checked(answering(address), zone=zone, allow_private=True) == [address]


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_a_vendor_on_a_public_address_is_accepted(address: str) -> None:
    assert checked(answering(address), zone=Zone.CLOUD) == [address]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "169.254.169.254"])
def test_a_literal_address_is_judged_without_a_resolver(host: str) -> None:
    with pytest.raises(AddressRefused):
        checked(answering("8.8.8.8"), host=host, zone=Zone.CLOUD)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1"])
def test_unusual_spellings_of_loopback_are_judged_by_what_they_resolve_to(host: str) -> None:
    async def main() -> None:
        await checked_addresses(host, 80, zone=Zone.CLOUD, networks=(), allow_private=False)

    with pytest.raises((AddressRefused, ConnectFailed)):
        asyncio.run(main())


def test_no_address_is_a_failed_connection() -> None:
    with pytest.raises(ConnectFailed, match="no address"):
        checked(answering())


def test_a_failing_resolver_is_a_failed_connection() -> None:
    async def failing(_host: str, _port: int) -> Sequence[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(ConnectFailed, match=r"model\.example .*not known"):
        checked(failing)


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(AddressRefused, match="not an IP address"):
        checked(answering("localhost"))
