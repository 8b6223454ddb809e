"""The door: signing in by password or identity provider, the second factor, signing out."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from allauth.account.views import ReauthenticateView
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.base.views import ReauthenticateView as SecondReauthenticateView
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe
from requests import RequestException
from typing_extensions import override

from frontend import sessions
from frontend.forms import SignInForm
from gateway.accounts.login.adapters import turned_away
from gateway.login_settings import PROVIDER

View = TypeVar("View", bound=Callable[..., HttpResponse])
# Set by a POST of one's own page: nobody is made to link what somebody else is signed in to there.
LINKING = "linking_provider"


def proved_lately(view: View) -> View:
    """A view that first asks, unless it did so within the last minutes, who sits there."""
    return cast("View", reauthentication_required(app="allauth.mfa")(view))


class SignIn(LoginView):
    """E-mail address and password; where there is a second factor, that is asked for next."""

    template_name = "frontend/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    @override
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        oidc = settings.OPENID_CONNECT
        return super().get_context_data(
            **kwargs, provider=oidc.name if oidc.configured else "", provider_id=PROVIDER
        )

    @override
    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        login = Login(user=form.get_user(), redirect_url=self.get_success_url())
        answer: HttpResponse = perform_password_login(self.request, {}, login)
        return answer

    @override
    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        throttled = isinstance(form, SignInForm) and form.throttled
        sessions.refuse_sign_in("throttled" if throttled else "no_match")
        answer = super().form_invalid(form)
        if throttled:
            answer.status_code = 429
        return answer


class SecondFactor(AuthenticateView):  # type: ignore[misc]
    """The code of the authenticator app, or a recovery code."""

    template_name = "frontend/account/code.html"


@method_decorator(sensitive_post_parameters("password"), name="dispatch")
class ProveAgain(ReauthenticateView):  # type: ignore[misc]
    """The password once more, before something about signing in changes."""

    template_name = "frontend/account/prove.html"


class ProveAgainByCode(SecondReauthenticateView):  # type: ignore[misc]
    """The same by a code."""

    template_name = "frontend/account/prove.html"


class SignOut(LogoutView):
    """Ends the session; a POST."""

    @override
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        sessions.sign_out(request)
        return HttpResponseRedirect(self.get_success_url())


class _Provider(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """The identity provider. Its signatures are always checked, and its claims are not kept."""

    @override
    def _decode_id_token(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        self.did_fetch_access_token = False  # or allauth trusts the connection it came by
        decoded: dict[str, Any] = super()._decode_id_token(app, id_token)
        return decoded

    @override
    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> Any:
        found = super().complete_login(request, app, token, **kwargs)
        data = found.account.extra_data
        if not isinstance(data.get("id_token"), dict):
            raise RequestException("no id_token")
        userinfo = data.get("userinfo") or {}
        if userinfo.get("sub") != data["id_token"].get("sub"):
            raise RequestException("userinfo of somebody else")  # OpenID Connect Core 5.3.2
        found.claims = {**userinfo, **data["id_token"]}
        found.account.extra_data = {}
        found.email_addresses = []
        return found


@require_safe
@never_cache
def to_provider(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Send the browser to the identity provider. A link and no form: the policy for forms of our
    pages would stop a form at the first redirect to another host."""
    adapter = _known(request, provider_id)
    process = request.GET.get("process", "login")
    if process not in {"login", "connect"}:
        raise Http404("No such process.")
    if process == "connect" and not request.session.pop(LINKING, False):
        return HttpResponseRedirect(reverse("account"))
    try:
        answer: HttpResponseBase = OAuth2LoginView.adapter_view(adapter)(request)
    except (RequestException, ValueError, KeyError):
        return turned_away(request, "provider_failed")
    return answer


@require_safe
@never_cache
def from_provider(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """The browser comes back with a code, which is exchanged for who it is."""
    adapter = _known(request, provider_id)
    try:
        answer: HttpResponseBase = OAuth2CallbackView.adapter_view(adapter)(request)
    except (RequestException, ValueError, KeyError):
        return turned_away(request, "provider_failed")
    return answer


def _known(request: HttpRequest, provider_id: str) -> _Provider:
    if provider_id != PROVIDER or not settings.OPENID_CONNECT.configured:
        raise Http404("No such provider.")
    return _Provider(request, provider_id)
