"""Is this a URL that a deployment may have? Judges the text alone; resolves and connects nothing.

What the name resolves to is judged at every connect, by `gateway.providers.addresses`.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import inet_aton
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*")
_LOOPBACK = "loopback"
# Ollama's own cloud: `name:cloud`, `name:120b-cloud`. It runs elsewhere whatever the address says.
_OLLAMA_CLOUD = re.compile(r"(:|-)cloud$", re.IGNORECASE)


def is_ollama_cloud(upstream_model: str) -> bool:
    """Whether an Ollama server would pass this model's requests on to Ollama's cloud."""
    return ":" in upstream_model and _OLLAMA_CLOUD.search(upstream_model.strip()) is not None


def clean_base_url(text: str) -> str:
    """The URL without its trailing slashes. Raises ValidationError saying what is wrong with it.

    http or https, a host, an optional port and path; no user, query or fragment; and not this
    Sluice itself, in any spelling of the loopback.
    """
    url = text.strip()
    if not url.isprintable() or not url.isascii() or " " in url or "\\" in url:
        raise ValidationError("A base_url has no spaces, control characters or non-ASCII letters.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", _port(parts)
    except ValueError:
        raise ValidationError("The base_url is not a URL.") from None
    if parts.scheme not in {"http", "https"}:
        raise ValidationError("A base_url begins with http:// or https://.")
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ValidationError(
            "A base_url has no user, query or fragment: a secret belongs into the credential."
        )
    if not _HOST.fullmatch(host) or not _PATH.fullmatch(parts.path):
        raise ValidationError("The base_url's host or path has unusual characters.")
    if (_same_host(host), port) in _own_addresses():
        raise ValidationError(
            "This base_url points at Sluice itself: name the model server's own address."
        )
    return url.rstrip("/")


def _port(parts: SplitResult) -> int:
    if parts.port is not None:
        return parts.port
    return 443 if parts.scheme == "https" else 80


def _own_addresses() -> set[tuple[str, int]]:
    public = urlsplit(settings.PUBLIC_URL)
    own = {(_same_host(public.hostname or ""), _port(public))}
    own.add((_same_host(settings.HOST), settings.PORT))
    # Whatever it listens on, it can be reached over the loopback as well.
    own.add((_LOOPBACK, settings.PORT))
    return own


def _same_host(host: str) -> str:
    """One word for every spelling of this machine; other hosts in lower case, without final dot."""
    name = host.lower().rstrip(".")
    if (
        name == "localhost"
        or name.endswith(".localhost")
        or name in {"localhost6", "ip6-localhost"}
    ):
        return _LOOPBACK
    address = _literal(name)
    if address is None:
        return name
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    judged = mapped if mapped is not None else address
    return _LOOPBACK if judged.is_loopback or judged.is_unspecified else str(judged)


def _literal(name: str) -> IPv4Address | IPv6Address | None:
    """The address a literal stands for, in every spelling the C library takes (`127.1`, `0x7f.1`,
    `2130706433`); None when it is a name."""
    try:
        return ip_address(name.split("%", 1)[0])
    except ValueError:
        pass
    try:
        return IPv4Address(inet_aton(name))
    except OSError:
        return None
