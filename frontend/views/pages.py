"""The door: signing in and out."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from typing_extensions import override

from frontend import sessions
from frontend.forms import SignInForm


class SignIn(LoginView):
    """E-mail address and password."""

    template_name = "frontend/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    @override
    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        sessions.sign_in(self.request, form.get_user())
        return HttpResponseRedirect(self.get_success_url())

    @override
    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        sessions.refuse_sign_in()
        return super().form_invalid(form)


class SignOut(LogoutView):
    """Ends the session; a POST."""

    @override
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        sessions.sign_out(request)
        return HttpResponseRedirect(self.get_success_url())
