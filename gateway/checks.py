"""What must be right in the settings before anything starts: Django system checks.

Each has a stable id. An error refuses to start; a warning is printed.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register


@register()
def check_key_encryption_key(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """`sluice.E001`: vendors' credentials cannot be read or stored without it."""
    try:
        Fernet(settings.KEY_ENCRYPTION_KEY.encode())
    except ValueError:
        hint = "32 bytes in URL-safe base64, as `openssl rand -base64 32 | tr '+/' '-_'` prints."
        return [Error("SLUICE_KEY_ENCRYPTION_KEY is no key.", hint=hint, id="sluice.E001")]
    return []


@register()
def check_on_prem_networks(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """`sluice.E002`: the whole internet is not on_prem. `sluice.W002`: neither, mostly, is a
    public network."""
    found: list[CheckMessage] = []
    for network in settings.ON_PREM_NETWORKS:
        if network.prefixlen == 0:
            found.append(
                Error(
                    f"SLUICE_ON_PREM_NETWORKS contains {network}: everything would be on_prem.",
                    hint="List the networks that your model servers are in.",
                    id="sluice.E002",
                )
            )
        elif not network.is_private:
            found.append(
                Warning(
                    f"SLUICE_ON_PREM_NETWORKS contains the public network {network}.",
                    hint="Whatever has an address in it may receive restricted data.",
                    id="sluice.W002",
                )
            )
    return found


@register()
def check_reach(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """`sluice.W003`: passwords and keys would cross the network in clear text."""
    if settings.PUBLIC_URL.startswith("https://") or _is_loopback(settings.HOST):
        return []
    return [
        Warning(
            "Sluice is reachable from other machines without TLS.",
            hint="Put a TLS proxy in front and set SLUICE_PUBLIC_URL to its https:// address.",
            id="sluice.W003",
        )
    ]


@register()
def check_sizes(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """`sluice.E004`: a limit of nothing would refuse every request."""
    if settings.MAX_BODY_BYTES > 0:
        return []
    return [Error("SLUICE_MAX_BODY_BYTES must be above 0.", id="sluice.E004")]


@register()
def check_config_file(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """`sluice.E005`: a configuration that is named must be there."""
    if settings.CONFIG_FILE is None or settings.CONFIG_FILE.is_file():
        return []
    return [
        Error(
            f"SLUICE_CONFIG names {settings.CONFIG_FILE}, which is not a file.",
            id="sluice.E005",
        )
    ]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
