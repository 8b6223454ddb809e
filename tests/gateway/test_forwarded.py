"""What proxies say counts when the operator listed them, and never otherwise."""

from ipaddress import ip_network

import pytest

from gateway.forwarded import seen_through

TRUSTED = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))


def seen(peer: str, *headers: tuple[str, str]) -> tuple[str, str, list[str]]:
    scope = {
        "type": "http",
        "scheme": "http",
        "client": (peer, 4711),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    found = seen_through(scope, TRUSTED)
    return found["client"][0], found["scheme"], [name.decode() for name, _ in found["headers"]]


def test_a_listed_proxy_says_who_asks_and_how() -> None:
    asked = seen("10.1.0.9", ("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", "https"))
    assert asked == ("203.0.113.7", "https", [])


def test_anyone_else_says_nothing_of_themselves() -> None:
    asked = seen(
        "203.0.113.7",
        *(("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "https")),
        *(("forwarded", "for=127.0.0.1"), ("x-real-ip", "127.0.0.1")),
        *(("x-forwarded-host", "evil.example"), ("cookie", "a=b")),
    )
    assert asked == ("203.0.113.7", "http", ["cookie"])


@pytest.mark.parametrize(
    ("said", "who"),
    [
        ("127.0.0.1, 203.0.113.7", "203.0.113.7"),  # what the client made up comes first
        ("203.0.113.7, 10.1.0.8", "203.0.113.7"),  # two proxies of ours
        ("10.1.0.7, 10.1.0.8", "10.1.0.7"),  # somebody on the proxies' network
        ("127.0.0.1, nonsense", "10.1.0.9"),
        ("203.0.113.7, nonsense, 10.1.0.8", "10.1.0.8"),
        ("", "10.1.0.9"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_nearest_address_that_is_no_proxy_of_ours_counts(said: str, who: str) -> None:
    assert seen("10.1.0.9", ("X-Forwarded-For", said))[0] == who


def test_headers_that_come_twice_are_one_list() -> None:
    asked = seen(
        "::ffff:10.1.0.9", ("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "203.0.113.7")
    )
    assert asked[0] == "203.0.113.7"


@pytest.mark.parametrize("protocol", ["ftp", "https://", ""])
def test_a_protocol_that_is_none_is_not_believed(protocol: str) -> None:
    assert seen("10.1.0.9", ("x-forwarded-proto", protocol))[1] == "http"


def test_without_a_list_nobody_is_believed() -> None:
    scope = {
        "type": "http",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "headers": [(b"x-forwarded-for", b"203.0.113.7")],
    }
    found = seen_through(scope, ())
    assert found["client"] == ("127.0.0.1", 1)
    assert found["headers"] == []
