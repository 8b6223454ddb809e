"""Forms of a conversation: beginning one, name, pin, settings, sharing, deleting, exporting. All
work without scripting: each answers with the conversation's page."""

from typing import cast
from urllib.parse import quote

from django.contrib.auth.decorators import login_required
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseNotFound,
    HttpResponseRedirect,
)
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from frontend.access import chat_project
from frontend.drafts import parameters_of, started_from, wanted
from frontend.navigation import person_of
from frontend.views.answers import held_page
from frontend.views.conversations import back_to
from gateway.accounts.models import User
from gateway.chat import conversations, service, sharing
from gateway.chat.engine import tell
from gateway.chat.export import FORMATS, export
from gateway.chat.log import Kind
from gateway.chat.models import Visibility
from gateway.protocol.errors import GatewayError, InvalidRequest, UnderLegalHold


@require_POST
@login_required
def begin(request: HttpRequest, slug: str) -> HttpResponse:
    """A conversation with its system prompt and parameters, before its first message."""
    user = cast("User", request.user)
    project = chat_project(user, slug)
    prompt = request.POST.get("prompt", "")
    try:
        settings = started_from(
            user, project, int(prompt) if prompt.isdecimal() else None, request.POST.dict()
        )
        models = service.models_of(project)
        if not models:
            raise InvalidRequest(_("No model may be used in this project yet."), param="model")
        made = conversations.create_conversation(
            user,
            project,
            wanted(
                settings,
                model=models[0].id,
                title="",
                temporary=request.POST.get("temporary") == "1",
            ),
        )
    except GatewayError as error:
        return _refused(request, error, back=reverse("project-chat", args=[slug]))
    return back_to(made.pk)


@require_POST
@login_required
def rename(request: HttpRequest, cid: str) -> HttpResponse:
    """Another title."""
    try:
        conversations.rename(cast("User", request.user), cid, request.POST.get("title", ""))
    except GatewayError as error:
        return _refused(request, error, back=reverse("conversation", args=[cid]))
    tell(cid, Kind.RENAMED)
    return back_to(cid)


@require_POST
@login_required
def pin(request: HttpRequest, cid: str) -> HttpResponse:
    """At the top of one's list, or not."""
    user = cast("User", request.user)
    conversations.set_pin(user, cid, pinned=request.POST.get("pinned") == "1")
    return back_to(cid)


@require_POST
@login_required
def change_settings(request: HttpRequest, cid: str) -> HttpResponse:
    """System prompt and parameters."""
    try:
        conversations.change_settings(
            cast("User", request.user),
            cid,
            system=request.POST.get("system", ""),
            parameters=parameters_of(request.POST.dict()),
        )
    except GatewayError as error:
        return _refused(request, error, back=reverse("conversation", args=[cid]))
    return back_to(cid)


@require_POST
@login_required
def share(request: HttpRequest, cid: str) -> HttpResponse:
    """With the project's members, or with nobody."""
    try:
        visibility = Visibility(request.POST.get("visibility", ""))
    except ValueError:
        return HttpResponseBadRequest()
    conversations.set_visibility(cast("User", request.user), cid, visibility)
    tell(cid, Kind.ACCESS)
    return back_to(cid)


@require_POST
@login_required
def make_link(request: HttpRequest, cid: str) -> HttpResponse:
    """A link that asks for a login."""
    days = request.POST.get("days", "")
    if days and days not in {str(each) for each in sharing.DAYS}:
        return HttpResponseBadRequest()
    sharing.create_link(cast("User", request.user), cid, days=int(days) if days else None)
    return HttpResponseRedirect(reverse("conversation", args=[cid]) + "#share")


@require_POST
@login_required
def end_link(request: HttpRequest, cid: str, link: int) -> HttpResponse:
    """A link opens nothing any more, and who came by it looks no longer."""
    sharing.revoke_link(cast("User", request.user), cid, link)
    tell(cid, Kind.ACCESS)
    return HttpResponseRedirect(reverse("conversation", args=[cid]) + "#share")


@require_safe
@never_cache
@login_required
def open_link(request: HttpRequest, secret: str) -> HttpResponse:
    """The conversation of a link."""
    return back_to(sharing.open_link(cast("User", request.user), secret).pk)


@require_POST
@login_required
def delete(request: HttpRequest, cid: str) -> HttpResponse:
    """For real."""
    try:
        conversations.delete_conversation(cast("User", request.user), cid)
    except UnderLegalHold as held:
        return held_page(request, held)
    tell(cid, Kind.GONE)
    return HttpResponseRedirect(reverse("chat"))


@require_safe
@never_cache
@login_required
def export_file(request: HttpRequest, cid: str, format: str) -> HttpResponse:
    """A branch as a file."""
    if format not in FORMATS:
        return HttpResponseNotFound()
    at = request.GET.get("at", "")
    file = export(
        cast("User", request.user), cid, format=format, at=int(at) if at.isdigit() else None
    )
    response = HttpResponse(file.content, content_type=file.media_type)
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{_quoted(file.name)}"
    return response


def _refused(request: HttpRequest, error: GatewayError, *, back: str) -> HttpResponse:
    """A page that says what was wrong; nothing was changed."""
    user = cast("User", request.user)
    why = {"title": _("That was not saved"), "detail": error.message}
    context = {"page": "chat", "person": person_of(user), "why": why, "back": back}
    return render(request, "frontend/no_chat.html", context, status=error.status)


def _quoted(name: str) -> str:
    return quote(name)
