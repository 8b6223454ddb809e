"""The pages of the audit. All filters run on the server; the address says what is shown."""

from typing import Any, cast
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from frontend.audit.conditions import Conditions
from frontend.audit.events import changes_of
from frontend.audit.files import as_file
from frontend.audit.kept import keeping_sentence, kept_of
from frontend.audit.rows import rows_of
from frontend.audit.steps import steps_of
from gateway.accounts.models import User
from gateway.accounts.services import evidence
from gateway.accounts.services.changes_audit import export_changes
from gateway.audit.event_search import EventSearch
from gateway.audit.event_types import EventType
from gateway.audit.export import ExportFormat
from gateway.audit.search import NoSuchPage, Page

PAGE_ROWS = 50


@require_safe
@never_cache
@login_required
def decisions(request: HttpRequest) -> HttpResponse:
    """Every decision that the person may see, the newest first, as the address filters them."""
    user = cast("User", request.user)
    projects = evidence.audited_projects(user)
    if not projects:
        raise PermissionDenied(_("The audit is read by its auditors."))
    conditions = Conditions.read(request.GET.dict())
    page, problem = Page(rows=()), ""
    try:
        page = evidence.search_requests(
            by=user,
            wanted=conditions.search(),
            after=request.GET.get("after", ""),
            limit=PAGE_ROWS,
        )
    except ValidationError as error:
        problem = " ".join(error.messages)
    except NoSuchPage as error:
        problem = str(error)
    context: dict[str, Any] = {
        "page": "audit",
        "filters": conditions.filters(projects),
        "rows": rows_of(page.rows),
        "problem": problem,
        "query": "" if problem else conditions.query(),
        "older": conditions.query(after=page.next) if page.next else "",
        "newest": conditions.query() if request.GET.get("after") else "",
        "many_projects": len(projects) > 1,
        "keeping": keeping_sentence(projects, conditions.values["project"]),
    }
    return render(request, "frontend/audit/decisions.html", context, status=400 if problem else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def decision(request: HttpRequest, decision_id: str) -> HttpResponse:
    """One decision, step by step; a POST reads what is kept of it, which is an event."""
    user = cast("User", request.user)
    record = evidence.see_request(by=user, decision_id=decision_id)
    [row] = rows_of([record])
    context = {
        "page": "audit",
        "row": row,
        "record": record,
        "steps": steps_of(record),
        "kept": kept_of(record, user, read=request.method == "POST"),
    }
    return render(request, "frontend/audit/decision.html", context)


@require_safe
@never_cache
@login_required
def decisions_file(request: HttpRequest, format: str) -> HttpResponseBase:
    """Every decision that the address asks for, as a file; an event."""
    user = cast("User", request.user)
    wanted = _format(format)
    try:
        search = Conditions.read(request.GET.dict()).search()
    except ValidationError as error:
        return HttpResponse(" ".join(error.messages), status=400, content_type="text/plain")
    lines = evidence.export_requests(by=user, wanted=search, format=wanted)
    return as_file(request, lines, name="decisions", format=wanted)


@require_safe
@never_cache
@login_required
def changes_file(request: HttpRequest, format: str) -> HttpResponseBase:
    """Every change that the address asks for, as a file; an event."""
    user = cast("User", request.user)
    wanted = _format(format)
    type, project = request.GET.get("type", ""), request.GET.get("project", "")
    search = EventSearch(types=(type,) if type else (), projects=(project,) if project else ())
    lines = export_changes(by=user, wanted=search, format=wanted)
    return as_file(request, lines, name="changes", format=wanted)


def _format(word: str) -> ExportFormat:
    try:
        return ExportFormat(word)
    except ValueError:
        raise Http404 from None


@require_safe
@never_cache
@login_required
def changes(request: HttpRequest) -> HttpResponse:
    """What was changed: policies, keys, roles, deployments, sign-ins, exports."""
    user = cast("User", request.user)
    projects = evidence.audited_projects(user)
    if not projects:
        raise PermissionDenied(_("The audit is read by its auditors."))
    kind, project = request.GET.get("type", ""), request.GET.get("project", "")
    before = request.GET.get("before", "")
    events = evidence.see_events(
        by=user,
        type=kind,
        project=project,
        before=int(before)
        if before.isascii() and before.isdecimal() and len(before) < 19
        else None,
        limit=PAGE_ROWS + 1,
    )
    more = len(events) > PAGE_ROWS
    again = {name: value for name, value in (("type", kind), ("project", project)) if value}
    context = {
        "page": "audit",
        "changes": changes_of(events[:PAGE_ROWS]),
        "types": [(each.value, each.value == kind) for each in sorted(EventType)],
        "projects": [(each.slug, each.name, each.slug == project) for each in projects],
        "older": urlencode({**again, "before": str(events[PAGE_ROWS - 1].seq)}) if more else "",
        "newest": bool(before),
        "newest_query": urlencode(again),
    }
    return render(request, "frontend/audit/changes.html", context)
