"""Settings of django-allauth, which signs people in. Plain data; the environment is read elsewhere.

Passwords and TOTP are ours to keep, OpenID Connect is optional, and nobody signs up: accounts are
made by an admin, an invitation, or a claim that the installation maps.
"""

from dataclasses import dataclass, field
from typing import Any, Final

PROVIDER: Final = "oidc"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIDConnect:
    """The identity provider. An empty issuer: there is none."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    name: str = ""
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    groups_claim: str = "groups"

    @property
    def configured(self) -> bool:
        """Whether anybody can come in by it."""
        return bool(self.issuer)


LOGIN_APPS: Final = [
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
]
ACCOUNT_ADAPTER: Final = "gateway.accounts.login.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS: Final = {"email"}
ACCOUNT_SIGNUP_FIELDS: Final = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD: Final = None
ACCOUNT_EMAIL_VERIFICATION: Final = "none"
ACCOUNT_EMAIL_NOTIFICATIONS: Final = False
# How long a proof of who sits there counts, before a second factor may be changed; seconds.
ACCOUNT_REAUTHENTICATION_TIMEOUT: Final = 300
# Counted in the database, for all web processes together. `key` is an address with its network.
ACCOUNT_RATE_LIMITS: Final = {
    "login": "60/m/ip",
    "login_failed": "20/5m/ip,5/5m/key",
    "reauthenticate": "10/m/user",
}
MFA_ADAPTER: Final = "gateway.accounts.login.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES: Final = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER: Final = "Sluice"
# One step of 30 s to either side: telephones' clocks.
MFA_TOTP_TOLERANCE: Final = 1
MFA_RECOVERY_CODES_SHOW_ONCE: Final = True
SOCIALACCOUNT_ADAPTER: Final = "gateway.accounts.login.adapters.ProviderAdapter"
SOCIALACCOUNT_STORE_TOKENS: Final = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION: Final = False
SOCIALACCOUNT_LOGIN_ON_GET: Final = True
SOCIALACCOUNT_AUTO_SIGNUP: Final = True
SOCIALACCOUNT_REQUESTS_TIMEOUT: Final = 10
USERSESSIONS_TRACK_ACTIVITY: Final = False
COUNTING_CACHES: Final[dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "accounts_counted",
        "OPTIONS": {"MAX_ENTRIES": 200_000},
    }
}


def providers(oidc: OpenIDConnect) -> dict[str, Any]:
    """SOCIALACCOUNT_PROVIDERS for the identity provider, if there is one."""
    if not oidc.configured:
        return {}
    app = {
        "provider_id": PROVIDER,
        "name": oidc.name,
        "client_id": oidc.client_id,
        "secret": oidc.client_secret,
        "settings": {"server_url": oidc.issuer, "fetch_userinfo": True, "uid_field": "sub"},
    }
    return {
        "openid_connect": {
            "OAUTH_PKCE_ENABLED": True,
            "SCOPE": list(oidc.scopes),
            "APPS": [app],
        }
    }
