"""How the identity provider is reached: each address checked at connect, and nothing followed.

What goes there is OpenID Connect's protocol and nothing else: our client id and secret, the code
that the person's browser brought, and the access ticket made of it. A name is resolved once; the
address that was judged is the one connected to.
"""

import socket
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from typing_extensions import override
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from gateway.accounts.models import Organisation
from gateway.providers.addresses import refusal
from policies.engine.facts import Zone

TIMEOUT_S: Final = 10


class NotAllowed(requests.RequestException):
    """The address may not be used. The text names the host and why."""


def judge(addresses: Sequence[str], *, encrypted: bool) -> str:
    """Why none of these may be connected to, in words; empty: all may.

    Within `SLUICE_OIDC_NETWORKS` anything goes; elsewhere public addresses with TLS, unless all
    that leaves on-prem is stopped.
    """
    ours = [
        not refusal(each, zone=Zone.ON_PREM, networks=settings.OIDC_NETWORKS, allow_private=True)
        for each in addresses
    ]
    if all(ours):
        return ""
    for each in addresses:
        reason = refusal(each, zone=Zone.CLOUD, networks=(), allow_private=False)
        if reason:
            return f"{reason}; list its network in SLUICE_OIDC_NETWORKS"
    if not encrypted:
        return "not encrypted: outside of SLUICE_OIDC_NETWORKS it takes https"
    if Organisation.objects.filter(pk=1, egress_stopped=True).exists():
        return "everything that leaves on-prem is stopped"
    return ""


def _connect(connection: HTTPConnection, *, encrypted: bool) -> socket.socket:
    host, port = connection.host, connection.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NewConnectionError(connection, f"{host} has no address") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if reason := judge(addresses, encrypted=encrypted):
        raise NotAllowed(f"{host}: {reason}")
    try:
        return socket.create_connection((addresses[0], port), timeout=TIMEOUT_S)
    except OSError:
        raise NewConnectionError(connection, f"{host} cannot be reached") from None


class _Plain(HTTPConnection):
    @override
    def _new_conn(self) -> socket.socket:
        return _connect(self, encrypted=False)


class _Encrypted(HTTPSConnection):
    @override
    def _new_conn(self) -> socket.socket:
        return _connect(self, encrypted=True)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _EncryptedPool(HTTPSConnectionPool):
    ConnectionCls = _Encrypted


class _Adapter(HTTPAdapter):
    @override
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _EncryptedPool}


class CheckedSession(requests.Session):
    """Without proxies, `.netrc` or redirects, with time-outs."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.headers["User-Agent"] = "Sluice"
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter())

    @override
    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        """One request to where it says. Raises RequestException."""
        if urlsplit(str(url)).scheme not in {"http", "https"}:
            raise NotAllowed("not an http address")
        kwargs |= {"allow_redirects": False, "timeout": TIMEOUT_S}
        answer = super().request(method, url, *args, **kwargs)
        if answer.is_redirect:
            raise NotAllowed("redirects are not followed")
        return answer
