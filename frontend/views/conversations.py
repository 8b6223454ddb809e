"""The chat's pages: a new chat, a conversation, one's list of them."""

from typing import Any, cast

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from frontend.access import chat_project, chat_projects
from frontend.badges import Badge, badge_for
from frontend.live.room import here_html
from frontend.navigation import PROJECT_IN_SESSION, person_of
from frontend.showing import REMEDY, Shown, show
from gateway.accounts.models import Project, User
from gateway.chat import service
from gateway.chat.access import get_conversation, may_write
from gateway.chat.body import Settings
from gateway.chat.branches import settings_of
from gateway.chat.engine import position_of
from gateway.chat.models import (
    Conversation,
    Feedback,
    Message,
    Pin,
    State,
    Visibility,
)
from gateway.chat.prompts import list_prompts
from gateway.chat.sealing import Seal
from gateway.chat.search import search
from gateway.chat.sharing import DAYS, links_of
from gateway.chat.tree import Tree, shown_leaf, tree_of
from gateway.inference.contracts import ModelCard
from gateway.protocol.errors import FailClosed, GatewayError

AT_ONCE = 80
EARLIER = 120


@require_safe
@never_cache
@login_required
def new_chat(request: HttpRequest, slug: str | None = None) -> HttpResponse:
    """An empty chat of one project: the one named, else the last one used, else the first."""
    user = cast("User", request.user)
    project = _chosen(request, user, slug)
    context: dict[str, Any] = {"page": "chat", "project": project, "person": person_of(user)}
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
    try:
        models = _models(project)
    except FailClosed as error:
        return _no_chat(
            request, context, title=_("Nothing can be sent right now"), detail=error.message
        )
    if not models:
        return _no_chat(
            request,
            context,
            title=_("No model may be used here yet"),
            detail=_("An administrator grants this project its first deployment."),
        )
    prompts = list_prompts(user, project)
    wanted = request.GET.get("prompt", "")
    prompt = next((each for each in prompts if str(each.id) == wanted), None)
    context |= _shared_context(project, models)
    context |= {
        "prompts": prompts,
        "prompt": prompt,
        "may_write": True,
        "temporary": request.GET.get("temporary") == "1",
        "is_new": True,
        "settings": Settings(system=prompt.content.system if prompt is not None else ""),
    }
    return render(request, "frontend/chat.html", context)


def _chosen(request: HttpRequest, user: User, slug: str | None) -> Project | None:
    if slug is not None:
        return chat_project(user, slug)
    by_slug = {project.slug: project for project in chat_projects(user)}
    return by_slug.get(request.session.get(PROJECT_IN_SESSION, "")) or next(
        iter(by_slug.values()), None
    )


@require_safe
@never_cache
@login_required
def conversation_page(request: HttpRequest, cid: str) -> HttpResponse:
    """A conversation: the end of one of its branches, and what may be done with it."""
    user = cast("User", request.user)
    conversation = get_conversation(user, cid)
    # INVARIANT: the position is read before the messages, so that nothing falls in between.
    position = position_of(cid)
    seal, tree = Seal(conversation), tree_of(conversation)
    leaf = shown_leaf(conversation, tree, _number(request.GET.get("at")))
    path = tree.path(leaf)
    shown = _show(conversation, seal, tree, path[-AT_ONCE:])
    project = conversation.project
    writes = may_write(user, conversation)
    if writes:
        request.session[PROJECT_IN_SESSION] = project.slug
    context = {
        "page": "chat",
        "project": project if writes else None,
        "conversation": conversation,
        "person": person_of(user),
        "title": seal.open(conversation.sealed_title, "title"),
        "messages_shown": shown,
        "earlier": path[-AT_ONCE - 1] if len(path) > AT_ONCE else None,
        "leaf": leaf,
        "writing": next((each.id for each in shown if each.state == State.WRITING), None),
        "position": position,
        "may_write": writes,
        "is_mine": conversation.owner_id == user.pk,
        "pinned": Pin.objects.filter(conversation=conversation, user=user).exists(),
        "feedback": _feedback(user, path[-AT_ONCE:]),
        "here": here_html([str(user.pk)]),
        "settings": settings_of(conversation, seal) if writes else None,
        "prompts": list_prompts(user, project) if writes else [],
        "links": _links(request, conversation) if conversation.owner_id == user.pk else [],
        "link_days": DAYS,
        "shared": conversation.visibility == Visibility.MEMBERS,
    }
    try:
        context |= _shared_context(project, _models(project) if writes else [])
    except GatewayError:
        context |= _shared_context(project, [])
    return render(request, "frontend/chat.html", context)


@require_safe
@never_cache
@login_required
def earlier(request: HttpRequest, cid: str) -> HttpResponse:
    """Messages before those that are shown, as a piece of the page."""
    user = cast("User", request.user)
    conversation = get_conversation(user, cid)
    seal, tree = Seal(conversation), tree_of(conversation)
    path = tree.path(_number(request.GET.get("before")))
    shown = _show(conversation, seal, tree, path[-EARLIER:])
    context = {
        "conversation": conversation,
        "messages_shown": shown,
        "earlier": path[-EARLIER - 1] if len(path) > EARLIER else None,
        "feedback": _feedback(user, path[-EARLIER:]),
    }
    return render(request, "frontend/parts/messages.html", context)


@require_safe
@never_cache
@login_required
def conversations_page(request: HttpRequest) -> HttpResponse:
    """Searching all of one's conversations. The words stand in no address: they are posted."""
    return render(request, "frontend/search.html", {"page": "search"})


@never_cache
@login_required
def search_results(request: HttpRequest) -> HttpResponse:
    """What was found, as a page or as its piece for htmx."""
    user = cast("User", request.user)
    query = request.POST.get("q", "")[:200]
    found = search(user, query) if query.strip() else None
    whole = "HX-Request" not in request.headers
    template = "frontend/search.html" if whole else "frontend/parts/found.html"
    return render(request, template, {"page": "search", "found": found, "query": query})


@require_safe
@login_required
def shortcuts(request: HttpRequest) -> HttpResponse:
    """Every key that does something."""
    return render(request, "frontend/shortcuts.html", {"page": "shortcuts"})


def _show(conversation: Conversation, seal: Seal, tree: Tree, path: list[int]) -> list[Shown]:
    rows = (
        Message.objects.filter(conversation=conversation, pk__in=path)
        .select_related("author")
        .defer("terms")
        .order_by("pk")
    )
    return show(conversation, seal, tree, rows)


def _feedback(user: User, path: list[int]) -> dict[int, bool]:
    rows = Feedback.objects.filter(user=user, message_id__in=path)
    return dict(rows.values_list("message_id", "good"))


def _links(request: HttpRequest, conversation: Conversation) -> list[dict[str, Any]]:
    return [
        {
            "id": link.id,
            "address": settings.PUBLIC_URL + reverse("share-link", args=[link.secret]),
            "expires_at": link.expires_at,
            "guests": link.guests,
        }
        for link in links_of(conversation)
    ]


def _shared_context(project: Project, models: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "models": models,
        "api_base": f"{settings.PUBLIC_URL}/v1",
        "api_model": models[0]["name"] if models else "auto",
        "remedy": REMEDY,
    }


def _models(project: Project) -> list[dict[str, Any]]:
    return [_choice(card) for card in service.models_of(project)]


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


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def back_to(cid: str) -> HttpResponseRedirect:
    """To the conversation's page, after a form."""
    return HttpResponseRedirect(reverse("conversation", args=[cid]))
