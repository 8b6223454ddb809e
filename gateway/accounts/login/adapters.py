"""What django-allauth asks of us: how a session starts, how secrets are sealed, who may come in.

INVARIANT: a session starts in `AccountAdapter.login` alone, with its audit event, after every stage
of the login was passed.
"""

import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from gateway.accounts.login.claims import Refused
from gateway.accounts.login.entering import enter
from gateway.accounts.login.events import logged_in, refused
from gateway.accounts.login.outbound import CheckedSession
from gateway.accounts.second_factor import mark
from gateway.key_encryption import open_sealed, seal

# What the provider said stops counting after a working day: groups are read at the next login.
PROVIDER_SESSION_S = 12 * 3600
_NO_ADDRESS = "0.0.0.0"  # noqa: S104 -- a word for "unknown", never listened on


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sessions."""

    @override
    def login(self, request: HttpRequest, user: Any) -> None:
        """Start the session. With its event, or not at all."""
        records = get_authentication_records(request, user)
        methods = list(dict.fromkeys(str(each["method"]) for each in records))
        with transaction.atomic():
            super().login(request, user)
            # Of this very person: another login may have begun in this browser before.
            provider_proved = request.session.pop(PROVED_BY_PROVIDER, None) == str(user.pk)
            mark(request, proved="mfa" in methods or provider_proved)
            if "socialaccount" in methods:
                request.session.set_expiry(PROVIDER_SESSION_S)
            logged_in(user, methods)

    @override
    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Not while the login itself is that fresh."""
        return not proved_lately(context.request)

    @override
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody signs up."""
        return False

    @override
    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Pages say what happened in words of their own."""

    @override
    def send_mail(self, *args: Any, **kwargs: Any) -> None:
        """No mail is sent by the login."""

    @override
    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        """As any refusal reads."""
        return HttpResponseRedirect(reverse("login"))

    @override
    def get_client_ip(self, request: HttpRequest) -> str:
        """As `gateway.forwarded` saw it."""
        return str(request.META.get("REMOTE_ADDR") or _NO_ADDRESS)

    @override
    def is_safe_url(self, url: str) -> bool:
        """Only this very host."""
        return url_has_allowed_host_and_scheme(url, allowed_hosts=None)


def proved_lately(request: HttpRequest) -> bool:
    """Whether the session showed who sits there within the last minutes."""
    records = get_authentication_records(request, request.user)
    if not records:
        return False
    age_s = time.time() - float(records[-1].get("at", 0))
    return age_s < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT


# Whom the identity provider says it asked for a second factor (`amr`).
PROVED_BY_PROVIDER = "second_factor_by_provider"


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Second factors: their secrets are sealed under the key-encryption key."""

    error_messages = {  # noqa: RUF012 -- the base class's contract
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _("This code is not right, or was used already."),
    }

    @override
    def encrypt(self, text: str) -> str:
        """Seal."""
        return seal(text.encode())

    @override
    def decrypt(self, encrypted_text: str) -> str:
        """Open."""
        return open_sealed(encrypted_text).decode()


class ProviderAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """The identity provider: whom its word lets in, and how it is reached."""

    error_messages = DefaultSocialAccountAdapter.error_messages

    @override
    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find or make the person; give and take what the claims say."""
        claims = getattr(sociallogin, "claims", {})
        if sociallogin.state.get("process") == "connect":
            if sociallogin.is_existing and sociallogin.user != request.user:
                raise ImmediateHttpResponse(turned_away(request, "linked_to_another"))
            return
        try:
            person = enter(request, sociallogin, claims)
        except (Refused, ValidationError, PermissionDenied) as error:
            reason = error.reason if isinstance(error, Refused) else "not_allowed"
            raise ImmediateHttpResponse(turned_away(request, reason)) from None
        request.session[PROVED_BY_PROVIDER] = str(person.pk) if _proved(claims) else None
        sociallogin.user = person

    @override
    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Any = None,
        extra_context: Any = None,
    ) -> None:
        """One sentence, whatever the provider said; what it said may be anything."""
        raise ImmediateHttpResponse(turned_away(request, "provider_failed"))

    @override
    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """`pre_social_login` made whoever may come in."""
        return False

    @override
    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        """Back to one's own page."""
        return reverse("account")

    @override
    def get_requests_session(self) -> CheckedSession:
        """Addresses are checked at every connect."""
        return CheckedSession()


def turned_away(request: HttpRequest, reason: str) -> HttpResponse:
    """Back to the door with one sentence, and an event that says why."""
    refused(reason, method="oidc")
    messages.error(request, str(WORDS.get(reason, WORDS["provider_failed"])))
    return HttpResponseRedirect(reverse("account" if request.user.is_authenticated else "login"))


WORDS = {
    "provider_failed": _("Signing in there did not work. Try again, or ask an administrator."),
    "no_account": _("There is no account here for you. Ask an administrator for an invitation."),
    "email_not_verified": _("Your organisation did not say that your e-mail address is yours."),
    "link_first": _(
        "Your account has rights in the whole organisation: sign in with your password, and link "
        "the other way of signing in on your account's page."
    ),
    "linked_to_another": _("This is linked to another account already."),
    "not_allowed": _("There is no account here for you. Ask an administrator for an invitation."),
}


def _proved(claims: dict[str, Any]) -> bool:
    """RFC 8176: the provider says that several factors were used."""
    said = claims.get("amr")
    return isinstance(said, list) and "mfa" in said
