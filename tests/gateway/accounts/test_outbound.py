"""Which addresses an identity provider may have."""

import socket
from ipaddress import ip_network

import pytest
import requests
from pytest_django import Settings

from gateway.accounts.login.outbound import CheckedSession, judge
from gateway.accounts.models import Organisation

pytestmark = pytest.mark.django_db
PUBLIC, KEYCLOAK, LOOPBACK, METADATA = "8.8.4.4", "10.1.2.3", "127.0.0.1", "169.254.169.254"


@pytest.mark.parametrize(
    ("addresses", "encrypted", "words"),
    [
        ([PUBLIC], True, ""),
        ([LOOPBACK], False, ""),
        ([PUBLIC], False, "not encrypted"),
        ([KEYCLOAK], True, "SLUICE_OIDC_NETWORKS"),
        ([METADATA], True, "never used"),
        ([PUBLIC, METADATA], True, "never used"),
        ([LOOPBACK, PUBLIC], True, "not a public address"),
        (["::ffff:169.254.169.254"], True, "never used"),
    ],
)
def test_public_ones_with_tls_listed_ones_and_never_some(
    addresses: list[str], encrypted: bool, words: str
) -> None:
    reason = judge(addresses, encrypted=encrypted)
    assert words in reason
    assert bool(words) == bool(reason)


def test_a_listed_network_is_no_model_network(settings: Settings) -> None:
    settings.OIDC_NETWORKS = (ip_network("10.1.0.0/16"),)
    assert judge([KEYCLOAK], encrypted=False) == ""
    settings.OIDC_NETWORKS = (ip_network("169.254.0.0/16"),)
    assert "never used" in judge([METADATA], encrypted=True)


def test_while_all_that_leaves_is_stopped_only_ours_are_asked(settings: Settings) -> None:
    Organisation.load()
    Organisation.objects.update(egress_stopped=True)
    assert "is stopped" in judge([PUBLIC], encrypted=True)
    assert judge([LOOPBACK], encrypted=False) == ""


def test_a_refused_address_is_never_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[object] = []
    monkeypatch.setattr(socket, "create_connection", lambda *a, **_: connected.append(a))
    for url in ("http://169.254.169.254/latest/meta-data", "https://10.9.9.9/token"):
        with (
            CheckedSession() as session,
            pytest.raises(requests.RequestException, match=r"never used|SLUICE_OIDC"),
        ):
            session.get(url)
    assert connected == []


def test_proxies_of_the_environment_and_other_schemes_are_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with CheckedSession() as session:
        assert session.trust_env is False
        with pytest.raises(requests.RequestException):
            session.get("file:///etc/passwd")
