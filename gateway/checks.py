"""What must be right in the settings before anything starts: Django system checks.

Each has a stable id. An error refuses to start; a warning is printed.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register, run_checks

from gateway.key_encryption import NoKeys, keys

_KEY_COMMAND = "openssl rand -base64 32 | tr '+/' '-_'"
_HOW = {
    "SLUICE_SECRET_KEY": "openssl rand -base64 48 > secret_key",
    "SLUICE_KEY_ENCRYPTION_KEY": f"{_KEY_COMMAND} > key_encryption_key",
}
_PLACEHOLDERS = ("change", "secret", "insecure", "example", "default", "password")
SIGNING = "sluice-signing"


@register()
def check_key_encryption_key(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """`sluice.E001`: vendors' credentials cannot be read or stored without it."""
    try:
        keys()
    except NoKeys as error:
        hint = f"32 bytes in URL-safe base64, as `{_KEY_COMMAND}` prints."
        text = f"SLUICE_KEY_ENCRYPTION_KEY is no key: {error}."
        return [Error(text, hint=hint, id="sluice.E001")]
    return []


@register()
def check_secrets_are_given(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """`sluice.E006`: what a process makes for itself, the next one does not have."""
    return [
        Error(
            f"{name} is not set, and DATABASE_URL is: Sluice makes no secrets of its own then.",
            hint=f"{_HOW[name]}, and {name}_FILE=the file's path. One that was made before may "
            "be named: secret.key and kek.key in SLUICE_VAR.",
            id="sluice.E006",
        )
        for name in settings.MISSING_SECRETS
    ]


@register()
def check_secret_key_is_secret(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """`sluice.E007`: whoever can guess it signs sessions."""
    if all(_hard_to_guess(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)):
        return []
    hint = f"Another one: {_HOW['SLUICE_SECRET_KEY']}"
    text = "SLUICE_SECRET_KEY can be guessed: it is short, or says what it stands for."
    return [Error(text, hint=hint, id="sluice.E007")]


@register(SIGNING, deploy=True)
def check_signing_key_is_given(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """`sluice.E008`, for workers: who seals the audit signs with the installation's one key."""
    if settings.EMBEDDED or (settings.AUDIT_KEY_GIVEN and settings.AUDIT_KEY_FILE.is_file()):
        return []
    hint = "openssl genpkey -algorithm ed25519 -out audit_key.pem, and SLUICE_AUDIT_KEY=its path."
    text = "SLUICE_AUDIT_KEY names no file, and DATABASE_URL is set: nothing could be sealed."
    return [Error(text, hint=hint, id="sluice.E008")]


def why_not_to_start(*, signs: bool = False) -> str | None:
    """Every error of the checks as one text; None: start. `signs`: it seals the audit."""
    found = run_checks()
    if signs:
        found += run_checks(tags=[SIGNING], include_deployment_checks=True)
    errors = [message for message in found if message.is_serious()]
    if not errors:
        return None
    lines = [f"{each.id}: {each.msg}" + (f" {each.hint}" if each.hint else "") for each in errors]
    return "Sluice does not start:\n" + "\n".join(lines)


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
def check_proxies(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """`sluice.E009`: anybody could be anyone. `sluice.W009`: everybody would be the proxy."""
    everyone = [network for network in settings.TRUSTED_PROXIES if network.prefixlen == 0]
    if everyone:
        return [
            Error(
                f"SLUICE_TRUSTED_PROXIES contains {everyone[0]}: whoever asks could claim any "
                "address.",
                hint="List the addresses of your proxies.",
                id="sluice.E009",
            )
        ]
    if settings.PUBLIC_URL.startswith("https://") and not settings.TRUSTED_PROXIES:
        return [
            Warning(
                "There is a TLS proxy in front, and SLUICE_TRUSTED_PROXIES does not name it.",
                hint="Name its address, or everybody seems to come from it when log-ins are "
                "counted.",
                id="sluice.W009",
            )
        ]
    return []


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


def _hard_to_guess(key: str) -> bool:
    if len(key) < 32 or len(set(key)) < 12:
        return False
    # Letters in a row spell words; 32 random bytes in base64 spell none of these but by chance.
    words = key.lower()
    return len(key) >= 64 or not any(word in words for word in _PLACEHOLDERS)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
