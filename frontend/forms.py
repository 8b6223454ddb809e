"""Forms of the pages."""

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import gettext_lazy as _


class SignInForm(AuthenticationForm):
    """E-mail address and password. Every failure has one message, which tells nothing."""

    username = forms.EmailField(
        label=_("E-mail"),
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )
    error_messages = {  # noqa: RUF012 - the base class's contract
        "invalid_login": _("This e-mail address and password do not match."),
        "inactive": _("This e-mail address and password do not match."),
    }
