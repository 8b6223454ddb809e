"""Forms of the door."""

from typing import Any

from allauth.core.internal import ratelimit
from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from gateway.accounts.models import normalise_email

THROTTLED = "throttled"


class SignInForm(AuthenticationForm):
    """E-mail address and password. Every failure has one message, which tells nothing.

    Failures are counted by address and network before the password is looked at, whether or not
    there is such an account; then another message says to wait.
    """

    username = forms.EmailField(
        label=_("E-mail"),
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )
    error_messages = {  # noqa: RUF012 - the base class's contract
        "invalid_login": _("This e-mail address and password do not match."),
        "inactive": _("This e-mail address and password do not match."),
        THROTTLED: _("Too many attempts. Wait a few minutes, then try again."),
    }

    @override
    def clean(self) -> dict[str, Any]:
        """Count, then look."""
        address = normalise_email(str(self.cleaned_data.get("username") or ""))
        assert self.request is not None  # noqa: S101 -- the view gives it
        counted = ratelimit.consume(
            self.request,
            app="allauth.account",
            action="login_failed",
            key=f"{address}|{ratelimit.get_ip(self.request)}",
        )
        if counted is None:
            raise ValidationError(self.error_messages[THROTTLED], code=THROTTLED)
        cleaned = super().clean()
        if self.get_user() is not None:
            counted.rollback()
        return cleaned or self.cleaned_data

    @property
    def throttled(self) -> bool:
        """Whether it was refused for being tried too often."""
        return self.has_error(NON_FIELD_ERRORS, THROTTLED)


class FirstPasswordForm(forms.Form):
    """Somebody who comes by an invitation: a name and a password."""

    name = forms.CharField(
        label=_("Your name"), max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = forms.CharField(
        label=_("Password"),
        help_text=_("At least 10 characters."),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class NewPasswordForm(forms.Form):
    """One's own password, anew."""

    old = forms.CharField(
        label=_("Present password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    new = forms.CharField(
        label=_("New password"),
        help_text=_("At least 10 characters. Your other sessions end."),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
