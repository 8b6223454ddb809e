"""What stands between a session and everything: a second factor, where one is required.

Runs for every request that Django answers, `/api` and `/admin` included. A session that has not
shown a second factor its person needs reaches the page that sets one up, and signing out.

INVARIANT: it fails closed: what cannot be looked up is an error, never a pass.
"""

import time
from typing import Final

from allauth.usersessions.models import UserSession
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from typing_extensions import override

from frontend.both_ways import BothWaysMiddleware
from gateway.accounts.models import User
from gateway.accounts.second_factor import has_one, required_of, shown_in

# The list of sessions says when each was seen last; that exact it is.
SEEN_EVERY_S: Final = 120.0
_MOST_SEEN: Final = 10_000
_seen: dict[str, float] = {}


class GateMiddleware(BothWaysMiddleware):
    """See the module. After the authentication middleware."""

    @override
    def before(self, request: HttpRequest) -> HttpResponse | None:
        """Where the session must go first to set up a second factor."""
        if settings.SESSION_COOKIE_NAME in request.COOKIES and isinstance(request.user, User):
            return _stopped(request, request.user)
        return None

    @override
    async def before_async(self, request: HttpRequest) -> HttpResponse | None:
        """The same; the database is asked in a thread."""
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        user = await request.auser()
        # Most requests end here, without a thread: seen lately, with a second factor.
        if not isinstance(user, User) or (_seen_lately(request) and shown_in(request.session)):
            return None
        return await sync_to_async(_stopped)(request, user)


def _stopped(request: HttpRequest, user: User) -> HttpResponse | None:
    """Where the session must go first; None: on it goes."""
    if not _seen_lately(request):
        _note(request, user)
    if shown_in(request.session) or not required_of(user) or _is_the_way_there(request):
        return None
    if has_one(user):
        # It began before the factor was there, or elsewhere: come in again, with it.
        logout(request)
        return _to(request, reverse("login"))
    return _to(request, reverse("mfa_activate_totp"))


def _is_the_way_there(request: HttpRequest) -> bool:
    routes = ("mfa_activate_totp", "account_reauthenticate", "logout")
    return request.path in {reverse(name) for name in routes}


def _to(request: HttpRequest, address: str) -> HttpResponse:
    if request.path.startswith("/api/") or request.content_type == "application/json":
        message = _("Your role needs a second factor: set it up at %(address)s first.")
        message = message % {"address": address}
        error = {"message": message, "type": "permission_error", "param": None}
        return JsonResponse({"error": {**error, "code": "second_factor_needed"}}, status=403)
    if request.headers.get("hx-request"):
        return HttpResponse(headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)


def _seen_lately(request: HttpRequest) -> bool:
    last = _seen.get(request.session.session_key or "")
    return last is not None and time.monotonic() - last < SEEN_EVERY_S


def _note(request: HttpRequest, user: User) -> None:
    """Note that the session was seen, once in a while."""
    if len(_seen) >= _MOST_SEEN:
        _seen.clear()
    _seen[request.session.session_key or ""] = time.monotonic()
    UserSession.objects.create_from_request(request, user=user)
