"""The pages: signing in, and the chat."""

from typing import Any, cast

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from typing_extensions import override

from frontend import sessions
from frontend.access import chat_project, chat_projects
from frontend.badges import Badge, badge_for
from frontend.forms import SignInForm
from frontend.navigation import PROJECT_IN_SESSION, person_of
from gateway.accounts.models import Project, User
from gateway.chat import service
from gateway.inference.contracts import ModelCard
from gateway.protocol.errors import FailClosed


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


@require_safe
@never_cache
@login_required
def chat_page(request: HttpRequest, slug: str | None = None) -> HttpResponse:
    """The chat of one project: the one named, else the last one used, else the first."""
    user = cast("User", request.user)
    projects = chat_projects(user)
    project = _chosen(user, projects, slug, request.session.get(PROJECT_IN_SESSION, ""))
    context: dict[str, Any] = {"page": "chat", "projects": projects, "project": project}
    context["person"] = person_of(user)
    if project is None:
        return _no_chat(
            request,
            context,
            title=_("You are not in a project yet"),
            detail=_(
                "A project says who may chat and where messages may go. Ask an administrator "
                "to add you to one."
            ),
        )
    request.session[PROJECT_IN_SESSION] = project.slug
    context["api_base"] = f"{settings.PUBLIC_URL}/v1"
    try:
        models = service.models_of(project)
    except FailClosed as error:
        return _no_chat(
            request, context, title=_("Nothing can be sent right now"), detail=error.message
        )
    context["api_model"] = models[0].id if models else "auto"
    if not models:
        return _no_chat(
            request,
            context,
            title=_("No model may be used here yet"),
            detail=_("An administrator grants this project its first deployment in sluice.yaml."),
        )
    context["models"] = [_choice(card) for card in models]
    return render(request, "frontend/chat.html", context)


def _chosen(user: User, projects: list[Project], slug: str | None, last: str) -> Project | None:
    if slug is not None:
        return chat_project(user, slug)
    by_slug = {project.slug: project for project in projects}
    return by_slug.get(last) or next(iter(projects), None)


def _choice(card: ModelCard) -> dict[str, Any]:
    badges = list(dict.fromkeys(badge_for(zone) for zone in card.zones))
    if len(badges) > 1:
        detail = _("The policy chooses the place")
    elif badges == [Badge.ON_PREM]:
        detail = _("Stays on your servers")
    else:
        detail = _("Leaves your servers")
    return {"name": card.id, "badges": badges, "detail": detail}


def _no_chat(
    request: HttpRequest, context: dict[str, Any], *, title: str, detail: str
) -> HttpResponse:
    context["why"] = {"title": title, "detail": detail}
    return render(request, "frontend/no_chat.html", context)
