"""`/approvals/`: requests and exceptions that wait for somebody's word, and asking for one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from frontend.audit.rows import name_of, names_of
from frontend.policies import waiting_exceptions
from frontend.policies.finding import one_of
from frontend.words import category_word, found_word, sensitivity_word
from gateway.accounts.access import get_project_for, projects_of
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from gateway.audit.models import RequestRecord
from policies.models import Approval, ApprovalState
from policies.services import approvals as service
from policies.services.conflicts import Conflict

SHOWN: Final = 100
HOURS: Final[dict[str, Promise]] = {
    "1": gettext_lazy("for an hour"),
    "24": gettext_lazy("for a day"),
    "168": gettext_lazy("for a week"),
    "720": gettext_lazy("for 30 days"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One question in words. Content-free: whoever grants it is shown the text by who asks."""

    row: Approval
    who: str
    decided_by: str
    label: str
    found: str
    mine: bool
    decides: bool


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def approvals_page(request: HttpRequest) -> HttpResponse:
    """What waits, and what was decided; `?decision=` fills the form that asks."""
    user = cast("User", request.user)
    problem, status = "", 200
    if request.method == "POST":
        try:
            done = _act(request, user)
        except Conflict as error:
            problem, status = str(error), 409
        except ValidationError as error:
            problem, status = " ".join(error.messages), 400
        else:
            messages.success(request, done)
            return HttpResponseRedirect(request.path)
    rows = list(service.approvals_for(user).order_by("-asked_at")[:SHOWN])
    shown = _shown(rows, user)
    decision = request.POST.get("decision") or request.GET.get("decision", "")
    own = projects_of(user, Role.MEMBER).order_by("name")
    context = {
        "page": "approvals",
        "waiting": [each for each in shown if each.row.state == ApprovalState.WAITING],
        "decided": [each for each in shown if each.row.state != ApprovalState.WAITING],
        "hours": HOURS.items(),
        "decision": decision,
        "wanted_project": request.POST.get("project") or _project_of(decision, own),
        "own_projects": own,
        "problem": problem,
        **waiting_exceptions.seen(user),
    }
    return render(request, "frontend/policies/approvals.html", context, status=status)


def _project_of(decision: str, own: QuerySet[Project]) -> str:
    """In which of one's own projects it was made; empty: in none of them."""
    slugs = list(own.values_list("slug", flat=True))
    rows = RequestRecord.objects.filter(decision_id=decision[:100], project__in=slugs)
    return rows.values_list("project", flat=True).first() or "" if decision else ""


def _act(request: HttpRequest, user: User) -> str:
    """Do what a button says; what to say of it. Raises PermissionDenied, Conflict, …"""
    name, note = request.POST.get("act", ""), request.POST.get("note", "")
    if name == "ask":
        project = get_project_for(user, request.POST.get("project", ""), Role.MEMBER)
        decision = request.POST.get("decision", "").strip()
        service.ask_for_approval(by=user, project=project, decision_id=decision, reason=note)
        return _("It waits for somebody who may approve it. Show them what it says.")
    if name in waiting_exceptions.ACTS:
        return waiting_exceptions.act(name, cast("Mapping[str, str]", request.POST), user)
    approval = one_of(service.approvals_for(user), request.POST.get("approval", ""))
    if name == "grant":
        hours = request.POST.get("hours", "")
        if hours not in HOURS:
            raise ValidationError(_("Say for how long."))
        lifetime = timedelta(hours=int(hours))
        service.grant_approval(by=user, approval=approval, note=note, lifetime=lifetime)
        return _("Granted: exactly this request may pass now.")
    if name == "refuse":
        service.refuse_approval(by=user, approval=approval, note=note)
        return _("It stays refused.")
    raise ValidationError(_("There is no such button."))


def _shown(rows: Sequence[Approval], user: User) -> list[Shown]:
    names = names_of(name for row in rows for name in (row.asked_by, row.decided_by))
    return [
        Shown(
            row=row,
            who=name_of(row.asked_by, names),
            decided_by=name_of(row.decided_by, names) if row.decided_by else "",
            label=" · ".join(
                [sensitivity_word(row.sensitivity), *map(category_word, row.categories)]
            ),
            found=", ".join(found_word(name, count) for name, count in sorted(row.classes.items())),
            mine=row.asked_by == f"user:{user.pk}",
            decides=row.state == ApprovalState.WAITING and service.may_decide(user, row),
        )
        for row in rows
    ]
