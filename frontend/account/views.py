"""`/account/`: one's own password, second factor, sessions and other ways of signing in."""

from typing import Any, cast

from allauth.mfa.adapter import get_adapter
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import clear_totp_secret
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login as start_session
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from frontend.account.clients import client_words
from frontend.account.door import LINKING, proved_lately
from frontend.forms import NewPasswordForm
from gateway.accounts.models import User
from gateway.accounts.second_factor import has_one, mark, required_of, shown_in
from gateway.accounts.services import (
    add_second_factor,
    drop_second_factor,
    end_other_sessions,
    end_session,
    renew_recovery_codes,
    sessions_of,
    set_password,
    unlink_provider,
    unused_recovery_codes,
)
from gateway.login_settings import PROVIDER

BACKEND = "django.contrib.auth.backends.ModelBackend"


@never_cache
@login_required
@sensitive_post_parameters("old", "new")
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """The page; a POST changes the password."""
    user = cast("User", request.user)
    form = NewPasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if not user.check_password(form.cleaned_data["old"]):
            form.add_error("old", _("This is not your password."))
        else:
            problem = _change_password(request, user, form.cleaned_data["new"])
            if problem is None:
                messages.success(request, _("Your password was changed. Other sessions ended."))
                return redirect("account")
            form.add_error("new", problem)
    status = 400 if request.method == "POST" else 200
    return render(
        request, "frontend/account/account.html", _context(request, user, form), status=status
    )


def _change_password(request: HttpRequest, user: User, password: str) -> ValidationError | None:
    shown = shown_in(request.session)
    try:
        set_password(by=user, user=user, password=password)
    except ValidationError as error:
        return error
    # Every session ended, this one, too: go on in a new one.
    start_session(request, user, backend=BACKEND)
    mark(request, proved=shown)
    return None


def _context(request: HttpRequest, user: User, form: NewPasswordForm) -> dict[str, Any]:
    return {
        "page": "account",
        "form": form if user.has_usable_password() else None,
        "has_factor": has_one(user),
        "needs_factor": required_of(user),
        "codes_left": unused_recovery_codes(user),
        "sessions": [
            {
                "id": row.pk,
                "client": client_words(row.user_agent),
                "address": row.ip,
                "since": row.created_at,
                "seen": row.last_seen_at,
                "here": row.session_key == request.session.session_key,
            }
            for row in sessions_of(user)
        ],
        **_provider(),
        "linked": SocialAccount.objects.filter(user=user, provider=PROVIDER).exists(),
    }


def _provider() -> dict[str, str]:
    oidc = settings.OPENID_CONNECT
    return {"provider": oidc.name if oidc.configured else "", "provider_id": PROVIDER}


@never_cache
@login_required
@proved_lately
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """Set up an authenticator app: a picture to read in, and a code to prove it."""
    user = cast("User", request.user)
    if has_one(user):
        return redirect("account")
    form = ActivateTOTPForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        codes = add_second_factor(
            by=user,
            secret=form.secret,
            code=form.cleaned_data["code"],
            session=request.session.session_key or "",
        )
        clear_totp_secret(request)
        mark(request, proved=True)
        request.session.cycle_key()
        return _show_codes(request, codes)
    adapter = get_adapter()
    url = adapter.build_totp_url(user, form.secret)
    context = {
        "page": "account",
        "form": form,
        "picture": adapter.build_totp_svg(url).partition("?>")[2] or adapter.build_totp_svg(url),
        "secret": " ".join(form.secret[at : at + 4] for at in range(0, len(form.secret), 4)),
        "needed": required_of(user),
    }
    status = 400 if request.method == "POST" else 200
    return render(request, "frontend/account/second_factor.html", context, status=status)


def _show_codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    """Recovery codes, once: they are in this answer and nowhere else."""
    context = {"page": "account", "codes": codes}
    return render(request, "frontend/account/codes.html", context)


@never_cache
@login_required
@require_POST
@proved_lately
def new_codes(request: HttpRequest) -> HttpResponse:
    """New recovery codes."""
    try:
        codes = renew_recovery_codes(by=cast("User", request.user))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("account")
    return _show_codes(request, codes)


@login_required
@require_POST
@proved_lately
def without_second_factor(request: HttpRequest) -> HttpResponse:
    """Do without it."""
    try:
        drop_second_factor(by=cast("User", request.user))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        mark(request, proved=False)
        messages.success(request, _("Your second factor was removed."))
    return redirect("account")


@login_required
@require_POST
def end(request: HttpRequest) -> HttpResponse:
    """End one session, or all others."""
    user = cast("User", request.user)
    which = request.POST.get("session", "")
    if which == "others":
        end_other_sessions(by=user, keep=request.session.session_key or "")
        messages.success(request, _("All other sessions ended."))
    elif which.isascii() and which.isdecimal() and len(which) < 19:
        end_session(by=user, user=user, session=int(which))
        messages.success(request, _("The session ended."))
    return redirect("account")


@never_cache
@login_required
@require_POST
@proved_lately
def link(request: HttpRequest) -> HttpResponse:
    """Allow the next way to the provider to link it, and show the way."""
    request.session[LINKING] = True
    context = {"page": "account", **_provider()}
    return render(request, "frontend/account/link.html", context)


@login_required
@require_POST
@proved_lately
def unlink(request: HttpRequest) -> HttpResponse:
    """Come in by the identity provider no more."""
    try:
        unlink_provider(by=cast("User", request.user))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return redirect("account")
