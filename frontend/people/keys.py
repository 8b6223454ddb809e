"""`/keys/`: one's own keys, and those of the service accounts and people of projects one edits."""

import uuid
from datetime import datetime, timedelta
from typing import Any, Final, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from frontend.people.acts import attempt, chosen, floor_choices, floor_in
from frontend.people.projects import floor_words
from frontend.people.words import RESTORES, SCOPES
from gateway.accounts.access import projects_of
from gateway.accounts.models import APIKey, Project, ServiceAccount, User
from gateway.accounts.roles import Role
from gateway.accounts.services import (
    CreatedKey,
    create_api_key,
    floor_of,
    revoke_api_key,
    rotate_api_key,
)
from gateway.accounts.services.keys import SCOPES as KNOWN_SCOPES
from gateway.protocol.restores import Restores
from policies.engine.labels import Label

EXPIRIES: Final = {
    "30": gettext_lazy("in 30 days"),
    "90": gettext_lazy("in 90 days"),
    "365": gettext_lazy("in a year"),
    "": gettext_lazy("never"),
}
OVERLAPS: Final = {
    "0": gettext_lazy("at once"),
    "1": gettext_lazy("in a day"),
    "7": gettext_lazy("in a week"),
    "30": gettext_lazy("in 30 days"),
}
MOST: Final = 500


def visible_keys(user: User) -> QuerySet[APIKey]:
    """One's own, and every key of projects that one edits."""
    edited = projects_of(user, Role.EDITOR)
    own = Q(user=user) | Q(service_account__on_behalf_of=user)
    return APIKey.objects.filter(own | Q(project__in=edited), project__archived=False)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def keys_page(request: HttpRequest) -> HttpResponse:
    """Every key one may see; a POST makes one and shows it, this once."""
    user = cast("User", request.user)
    if request.method == "POST":
        try:
            return _shown(request, _make(request, user))
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return render(request, "frontend/people/keys.html", _context(request, user), status=400)
    return render(request, "frontend/people/keys.html", _context(request, user))


def _make(request: HttpRequest, user: User) -> CreatedKey:
    """Raises ValidationError, PermissionDenied."""
    given = request.POST
    kind, _sep, which = given.get("owner", "").partition(":")
    project, owner = _owner(user, kind, which)
    days = chosen(given.get("expires", "90"), EXPIRIES)
    expires_at: datetime | None = timezone.now() + timedelta(days=int(days)) if days else None
    return create_api_key(
        by=user,
        project=project,
        name=given.get("name", ""),
        owner=owner,
        scopes=frozenset(given.getlist("scope")),
        floor=floor_in(request),
        expires_at=expires_at,
        restores=Restores(chosen(given.get("restores", "everything"), RESTORES)),
    )


def _owner(user: User, kind: str, which: str) -> tuple[Project, User | ServiceAccount]:
    """`me:<project>` or `account:<id>`, among what one may see. Raises ValidationError."""
    if kind == "me":
        project = projects_of(user, Role.MEMBER).filter(slug=which).first()
        if project is not None:
            return project, user
    elif kind == "account":
        account = next((each for each in _accounts(user) if str(each.pk) == which), None)
        if account is not None:
            return account.project, account
    raise ValidationError(_("Say whose key it is: choose from the list."))


def _accounts(user: User) -> QuerySet[ServiceAccount]:
    found = ServiceAccount.objects.filter(active=True, project__in=projects_of(user, Role.EDITOR))
    return found.select_related("project").order_by("project__name", "name")


def _context(request: HttpRequest, user: User) -> dict[str, Any]:
    edited = set(projects_of(user, Role.EDITOR).values_list("pk", flat=True))
    wanted = request.GET.get("project", "")
    rows = visible_keys(user).select_related("project", "user", "service_account__on_behalf_of")
    if wanted:
        rows = rows.filter(project__slug=wanted)
    if not request.GET.get("ended"):
        rows = rows.filter(revoked_at=None).filter(
            Q(expires_at=None) | Q(expires_at__gt=timezone.now())
        )
    slugs = (
        visible_keys(user).order_by("project__name").values_list("project__slug", "project__name")
    )
    return {
        "page": "keys",
        "rows": [_row(user, row, edits=row.project_id in edited) for row in rows[:MOST]],
        "projects": [(slug, name, slug == wanted) for slug, name in sorted(set(slugs))],
        "ended": bool(request.GET.get("ended")),
        "mine": projects_of(user, Role.MEMBER).order_by("name"),
        "accounts": _accounts(user),
        "scopes": [(word, SCOPES.get(word, word)) for word in sorted(KNOWN_SCOPES)],
        "expiries": EXPIRIES.items(),
        "restores": RESTORES.items(),
        "given": request.POST,
        "chosen_scopes": request.POST.getlist("scope"),
        **floor_choices(Label()),
    }


def _row(user: User, row: APIKey, *, edits: bool) -> dict[str, Any]:
    now = timezone.now()
    alive = row.revoked_at is None and (row.expires_at is None or row.expires_at > now)
    mine = row.user_id == user.pk
    account = row.service_account
    floor = floor_of(row)
    return {
        "key": row,
        "alive": alive,
        "mine": mine,
        "owner": str(account) if account is not None else str(row.user),
        "account": account is not None,
        "scopes": [SCOPES.get(word, word) for word in row.scopes],
        "floor": floor_words(floor) if floor != Label() else [],
        "restores": RESTORES[row.restores] if row.restores != "everything" else "",
        "ends_soon": alive and row.expires_at is not None and row.expires_at < now + timedelta(7),
        "may_revoke": alive and (mine or edits),
        "may_rotate": alive and (mine or (account is not None and edits)),
    }


def _visible(user: User, pk: uuid.UUID) -> APIKey:
    found = visible_keys(user).select_related("project").filter(pk=pk).first()
    if found is None:
        raise Http404("No such key.")
    return found


@never_cache
@login_required
@require_http_methods(["GET", "HEAD"])
def key_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One key, with what may be done to it."""
    user = cast("User", request.user)
    found = _visible(user, pk)
    edits = projects_of(user, Role.EDITOR).filter(pk=found.project_id).exists()
    context = {"page": "keys", "row": _row(user, found, edits=edits), "overlaps": OVERLAPS.items()}
    return render(request, "frontend/people/key.html", context)


@never_cache
@login_required
@require_POST
def rotate(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A new text at once; the old one is accepted for a while."""
    user = cast("User", request.user)
    found = _visible(user, pk)
    try:
        days = int(chosen(request.POST.get("overlap", ""), OVERLAPS))
        made = rotate_api_key(by=user, key=found, overlap=timedelta(days=days))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("key", pk=pk)
    return _shown(request, made, before=found)


@login_required
@require_POST
def revoke(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """End it, everywhere within a second."""
    user = cast("User", request.user)
    found = _visible(user, pk)
    reason = request.POST.get("reason", "")[:200]
    attempt(
        request,
        lambda: revoke_api_key(by=user, key=found, reason=reason),
        _("The key is dead."),
    )
    return redirect("keys")


def _shown(request: HttpRequest, made: CreatedKey, before: APIKey | None = None) -> HttpResponse:
    """The key's text: in this answer and nowhere else."""
    context = {
        "page": "keys",
        "key": made.key,
        "text": made.text,
        "before": before,
        "base_url": f"{request.scheme}://{request.get_host()}/v1",
    }
    return render(request, "frontend/people/new_key.html", context)
