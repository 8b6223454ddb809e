"""The list of deployments: what there is, how it does, what was found and waits."""

from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from frontend.deployments.state import lines_of
from gateway.accounts.models import User
from gateway.deployments.models import Deployment, ModelAlias


def staff_only(request: HttpRequest) -> User:
    """Who asks, if they administer or audit the organisation. Raises PermissionDenied."""
    user = cast("User", request.user)
    if not user.is_staff:
        raise PermissionDenied(
            _("Deployments are shown to the organisation's admins and auditors.")
        )
    return user


@require_safe
@never_cache
@login_required
def listed(request: HttpRequest) -> HttpResponse:
    """Every deployment and every alias."""
    staff_only(request)
    lines = lines_of(Deployment.objects.order_by("proposed", "name"))
    context: dict[str, Any] = {
        "page": "deployments",
        "lines": lines,
        "aliases": [(alias.name, alias.target_names()) for alias in ModelAlias.objects.all()],
    }
    return render(request, "frontend/deployments/list.html", context)
