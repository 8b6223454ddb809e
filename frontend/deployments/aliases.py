"""Aliases: what clients send as a model, and the deployments behind it in order."""

from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from frontend.badges import badge_for
from frontend.deployments.access import Problems, RefusalsInto, who_changes, who_looks
from frontend.deployments.state import clearance_sentence
from gateway.accounts.models import User
from gateway.deployments.models import Deployment, ModelAlias
from gateway.deployments.services import remove_alias, set_alias

LAST_PLACE: Final = 999


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """An alias that is not there yet."""
    return _page(request, who_changes(request), None)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def one(request: HttpRequest, name: str) -> HttpResponse:
    """One that is there."""
    user = who_looks(request)
    alias = ModelAlias.objects.filter(name=name).first()
    if alias is None:
        raise Http404("No such alias.")
    return _page(request, user, alias)


def _page(request: HttpRequest, user: User, alias: ModelAlias | None) -> HttpResponse:
    problems: Problems = {}
    name = alias.name if alias is not None else request.POST.get("name", "").strip()
    if request.method == "POST":
        user = who_changes(request)
        with RefusalsInto(problems):
            messages.success(request, _act(request, user, alias, name))
            return HttpResponseRedirect(reverse("deployments") + "#aliases")
    order = alias.target_names() if alias is not None else []
    places = {each: str(place + 1) for place, each in enumerate(order)}
    rows = Deployment.objects.filter(proposed=False)
    if request.method == "POST":
        places = {row.name: request.POST.get(f"place-{row.pk}", "") for row in rows}
    lines = [
        {
            "pk": row.pk,
            "name": row.name,
            "badge": badge_for(row.zone),
            "clearance": clearance_sentence(row.facts()),
            "off": not row.enabled,
            "place": places.get(row.name, ""),
        }
        for row in rows
    ]
    lines.sort(key=lambda line: (_number(str(line["place"])) or LAST_PLACE, str(line["name"])))
    context: dict[str, Any] = {
        "page": "deployments",
        "alias": alias,
        "name": name,
        "lines": lines,
        "may_change": user.is_admin,
        "problems": [said for each in problems.values() for said in each],
    }
    status = 400 if problems else 200
    return render(request, "frontend/deployments/alias.html", context, status=status)


def _act(request: HttpRequest, user: User, alias: ModelAlias | None, name: str) -> str:
    if request.POST.get("act") == "remove" and alias is not None:
        if request.POST.get("sure") != "yes":
            raise ValidationError(_("Nothing was removed: tick the box to confirm."))
        remove_alias(by=user, alias=alias)
        return _("The alias %(name)s was removed.") % {"name": name}
    if alias is None and ModelAlias.objects.filter(name=name).exists():
        raise ValidationError({NON_FIELD_ERRORS: [_("There is an alias of this name already.")]})
    set_alias(by=user, name=name, deployments=_in_order(request))
    return _("Requests for %(name)s meet the new order within a second.") % {"name": name}


def _in_order(request: HttpRequest) -> list[Deployment]:
    placed = []
    for row in Deployment.objects.filter(proposed=False):
        written = request.POST.get(f"place-{row.pk}", "").strip()
        if not written:
            continue
        place = _number(written)
        if place is None:
            raise ValidationError(
                _("The place of %(name)s is a number: 1 comes first.") % {"name": row.name}
            )
        placed.append((place, row.name, row))
    return [row for _place, _name, row in sorted(placed, key=lambda each: each[:2])]


def _number(written: str) -> int | None:
    if written.isascii() and written.isdecimal() and len(written) < 4 and int(written) > 0:
        return int(written)
    return None
