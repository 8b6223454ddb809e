"""The overview, the switch for what leaves, and putting the first steps away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from frontend.audit.events import changes_of
from frontend.deployments.state import lines_of
from frontend.overview.day import shown
from frontend.overview.first_steps import COOKIE, PUT_AWAY, YEAR_S
from frontend.overview.needs import needs_of
from frontend.overview.spend import spend_of
from gateway.accounts.access import NoSuchProject
from gateway.accounts.models import Project, User
from gateway.accounts.services import evidence
from gateway.audit.event_types import EventType
from gateway.deployments.models import Deployment
from gateway.deployments.services import resume_egress, stop_egress
from gateway.deployments.services.egress import egress_stopped

# Changes of where data may go; sign-ins and exports are on the audit's own page.
TOLD: Final = tuple(
    each.value
    for each in EventType
    if each.value.partition(".")[0]
    in {"policy", "deployment", "alias", "grant", "exception", "egress", "approval", "credential"}
    | {"publication", "budget", "organisation", "project", "recognizer", "deployment_change"}
)
MOST_CHANGES: Final = 5
MOST_REASON: Final = 480


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The day that is shown, in the server's time zone."""

    day: date
    since: datetime
    until: datetime
    is_today: bool

    @classmethod
    def read(cls, written: str) -> "When | None":
        """From the address; empty: today. None: this is no day."""
        today = timezone.localdate()
        try:
            day = parse_date(written) if written else today
        except ValueError:
            day = None
        if day is None or day.year < 2000 or day > today:
            return None
        start = timezone.make_aware(datetime(day.year, day.month, day.day))  # noqa: DTZ001 -- made so
        return cls(day=day, since=start, until=start + timedelta(days=1), is_today=day == today)


@require_safe
@never_cache
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    """How a day went, of one project or of all that the person oversees."""
    user = cast("User", request.user)
    projects = evidence.audited_projects(user)
    if not projects and not user.is_staff:
        raise PermissionDenied(_("The overview is for those who own or audit a project."))
    project = _project(user, projects, request.GET.get("project", ""))
    when = When.read(request.GET.get("day", ""))
    status = 200 if when is not None else 400
    given = when or cast("When", When.read(""))
    slug = project.slug if project is not None else ""
    day = evidence.see_day(by=user, project=slug, since=given.since, until=given.until)
    rows = _deployments(user, project, projects)
    context: dict[str, Any] = {
        "page": "overview",
        "when": given,
        "now": timezone.localtime(),
        "earlier": given.day - timedelta(days=1),
        "later": None if given.is_today else given.day + timedelta(days=1),
        "projects_shown": [(each.slug, each.name, each == project) for each in projects],
        "one": project,
        "problem": "" if status == 200 else _("This is no day: write 2026-11-30."),
        "day": shown(day),
        "spend": spend_of(user, project, given.day),
        "changes": changes_of(
            evidence.see_events(by=user, types=TOLD, project=slug, limit=MOST_CHANGES)
        )
        if projects
        else [],
        "needs": needs_of(user, project, rows),
        "deployments": lines_of(rows),
        "egress_stopped": egress_stopped(),
    }
    return render(request, "frontend/overview/overview.html", context, status=status)


@require_POST
@login_required
def egress(request: HttpRequest) -> HttpResponse:
    """The switch: stop everything that leaves, or let it leave again. Admins."""
    user = cast("User", request.user)
    if not user.is_admin:
        raise PermissionDenied(_("The switch is the admins'."))
    reason = request.POST.get("reason", "").strip()[:MOST_REASON]
    act = request.POST.get("act", "")
    if request.POST.get("sure") != "yes" or act not in {"stop", "resume"}:
        messages.error(request, _("Nothing was changed: tick the box to confirm."))
    elif act == "stop":
        stop_egress(by=user, reason=reason)
        messages.success(request, _("Stopped. Within a second nothing leaves any more."))
    else:
        resume_egress(by=user, reason=reason)
        messages.success(request, _("What may leave leaves again."))
    return HttpResponseRedirect(reverse("overview"))


@require_POST
@login_required
def put_away(request: HttpRequest) -> HttpResponse:
    """The first steps are not shown any more in this browser."""
    back = request.POST.get("back", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts=None)
    answer = HttpResponseRedirect(back if safe and back.startswith("/") else reverse("overview"))
    answer.set_cookie(
        COOKIE,
        PUT_AWAY,
        max_age=YEAR_S,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure(),
    )
    return answer


def _project(user: User, projects: Sequence[Project], slug: str) -> Project | None:
    """The one that the address names. Raises NoSuchProject for one that is not theirs."""
    if not slug:
        return projects[0] if len(projects) == 1 and not user.is_staff else None
    for project in projects:
        if project.slug == slug:
            return project
    raise NoSuchProject("No such project.")


def _deployments(
    user: User, project: Project | None, projects: Sequence[Project]
) -> list[Deployment]:
    rows = Deployment.objects.order_by("name")
    if project is not None:
        rows = rows.filter(grants__project=project)
    elif not user.is_staff:
        rows = rows.filter(grants__project__in=list(projects)).distinct()
    return list(rows)
