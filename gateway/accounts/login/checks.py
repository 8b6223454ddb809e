"""`sluice.E010`: an identity provider that is named only half lets nobody in, or anybody."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def check_identity_provider(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """Issuer, client id and secret come together, and the issuer is an address."""
    oidc = settings.OPENID_CONNECT
    given = {
        "SLUICE_OIDC_ISSUER": oidc.issuer,
        "SLUICE_OIDC_CLIENT_ID": oidc.client_id,
        "SLUICE_OIDC_CLIENT_SECRET": oidc.client_secret,
    }
    missing = [name for name, value in given.items() if not value]
    if len(missing) == len(given):
        return []
    if missing:
        hint = "Set all of SLUICE_OIDC_ISSUER, _CLIENT_ID and _CLIENT_SECRET, or none."
        return [Error(f"{missing[0]} is not set.", hint=hint, id="sluice.E010")]
    issuer = urlsplit(oidc.issuer)
    if issuer.scheme not in {"http", "https"} or not issuer.hostname or issuer.query:
        hint = "The address before /.well-known/openid-configuration, https://login.example.org"
        return [Error("SLUICE_OIDC_ISSUER is no address.", hint=hint, id="sluice.E010")]
    return []
