"""The list of deployments and aliases: what there is, how it does, what was found."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from frontend.badges import badge_for
from frontend.deployments.access import who_changes, who_looks
from frontend.deployments.state import lines_of
from gateway.deployments.models import AliasTarget, Deployment, ModelAlias
from gateway.deployments.probing import probe
from gateway.deployments.services import propose
from gateway.deployments.services.waiting import waiting_changes


@require_safe
@never_cache
@login_required
def listed(request: HttpRequest) -> HttpResponse:
    """Every deployment and every alias, and what waits for a second person."""
    user = who_looks(request)
    rows = list(Deployment.objects.order_by("name"))
    context: dict[str, Any] = {
        "page": "deployments",
        "may_change": user.is_admin,
        "lines": lines_of(row for row in rows if not row.proposed),
        "proposals": lines_of(row for row in rows if row.proposed),
        "aliases": aliases(),
        "waiting": list(waiting_changes()),
    }
    return render(request, "frontend/deployments/list.html", context)


@require_POST
@login_required
def discover(request: HttpRequest) -> HttpResponse:
    """Look on this machine's usual ports and in the environment; what is found is proposed."""
    user = who_changes(request)
    made = propose(by=user, found=probe(), vendor_keys=settings.VENDOR_KEYS)
    if made:
        said = ngettext(
            "%(count)d model was found. It gets nothing until you say what may go there.",
            "%(count)d models were found. They get nothing until you say what may go there.",
            len(made),
        )
        messages.success(request, said % {"count": len(made)})
    else:
        messages.info(request, _("Nothing new was found on this machine or in the environment."))
    return HttpResponseRedirect(reverse("deployments"))


def aliases() -> list[dict[str, Any]]:
    """Every alias with the deployments behind it, in order. Two queries."""
    targets: dict[int, list[Deployment]] = {}
    rows = AliasTarget.objects.select_related("deployment").order_by("alias_id", "position")
    for target in rows:
        targets.setdefault(target.alias_id, []).append(target.deployment)
    return [
        {
            "name": alias.name,
            "targets": [
                {
                    "name": row.name,
                    "badge": badge_for(row.zone),
                    "off": row.proposed or not row.enabled,
                }
                for row in targets.get(alias.pk, [])
            ],
        }
        for alias in ModelAlias.objects.order_by("name")
    ]
