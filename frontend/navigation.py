"""What the rail shows: the pages of a project, those of the organisation, and who is signed in.

A new page is one entry here, and `page` in its template's context.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, cast

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from frontend.access import chat_projects
from gateway.accounts.access import projects_of
from gateway.accounts.models import Project, User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.chat.conversations import Listed, list_conversations

PROJECT_IN_SESSION: Final = "project"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A link of the rail. `route`: a name in the urlconf, with `slug` where it takes a project."""

    page: str
    route: str
    icon: str
    word: str | Promise
    takes_project: bool = False

    def address(self, project: Project | None) -> str:
        """Where it leads."""
        if self.takes_project and project is not None:
            return reverse(self.route, kwargs={"slug": project.slug})
        return reverse(self.route)


PROJECT_PAGES: Final = (
    Entry(page="search", route="search", icon="search", word=_("Search")),
    Entry(page="prompts", route="prompts", icon="library", word=_("Prompts"), takes_project=True),
    Entry(page="batches", route="batches", icon="batch", word=_("Batches"), takes_project=True),
    Entry(
        page="policy", route="project-policy", icon="shield", word=_("Policy"), takes_project=True
    ),
    Entry(page="usage", route="usage", icon="bars", word=_("Usage")),
)
LISTED_AT_MOST: Final = 40
# Shown to organisation admins and auditors; the audit also to those who audit a project.
PROJECTS: Final = Entry(page="projects", route="projects", icon="project", word=_("Projects"))
KEYS: Final = Entry(page="keys", route="keys", icon="key", word=_("API keys"))
PEOPLE: Final = Entry(page="people", route="people", icon="people", word=_("People"))
APPROVALS: Final = Entry(page="approvals", route="approvals", icon="check", word=_("Approvals"))
ROLES: Final = Entry(page="roles", route="roles", icon="people", word=_("Roles"))
AUDIT: Final = Entry(page="audit", route="audit", icon="audit", word=_("Audit"))
OVERVIEW: Final = Entry(page="overview", route="overview", icon="gauge", word=_("Overview"))
DEPLOYMENTS: Final = Entry(
    page="deployments", route="deployments", icon="models", word=_("Deployments")
)
ORGANISATION_PAGES: Final = (
    DEPLOYMENTS,
    Entry(page="organisation-policy", route="organisation-policy", icon="shield", word=_("Policy")),
    Entry(page="budgets", route="budgets", icon="purse", word=_("Budgets")),
    AUDIT,
    Entry(page="administration", route="admin:index", icon="shield", word=_("Administration")),
)


def rail_of(request: HttpRequest, *, project: Project | None) -> dict[str, Any]:
    """The rail's own context. Three queries at most."""
    user = cast("User", request.user)
    projects = chat_projects(user)
    if project is None:
        last = request.session.get(PROJECT_IN_SESSION, "")
        project = next((each for each in projects if each.slug == last), None)
        project = project or next(iter(projects), None)
    return {
        "projects": projects,
        "project": project,
        "person": person_of(user),
        "project_pages": _links(PROJECT_PAGES, project) if project else [],
        "organisation_pages": _links(_organisation_pages(user), project),
        "groups": _groups(user, project) if project else [],
    }


def _groups(user: User, project: Project) -> list[dict[str, Any]]:
    """One's conversations, by when something was last written in them."""
    now = timezone.localtime()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    groups: dict[str, list[Listed]] = {}
    for each in list_conversations(user, project, limit=LISTED_AT_MOST):
        if each.pinned:
            name = gettext("Pinned")
        elif each.updated_at >= today:
            name = gettext("Today")
        elif each.updated_at >= today - timedelta(days=7):
            name = gettext("This week")
        else:
            name = gettext("Earlier")
        groups.setdefault(name, []).append(each)
    return [{"name": name, "conversations": found} for name, found in groups.items()]


def person_of(user: User) -> dict[str, str]:
    """How a person is named on the pages."""
    name = user.name or user.email
    return {
        "name": name,
        "initial": name[:1],
        "detail": user.email if name != user.email else gettext("Signed in"),
    }


def _organisation_pages(user: User) -> tuple[Entry, ...]:
    everybodys: tuple[Entry, ...] = (PROJECTS, KEYS, PEOPLE if user.is_admin else ROLES)
    if _approves(user):
        everybodys = (*everybodys, APPROVALS)
    if user.is_staff:
        return (OVERVIEW, *everybodys, *ORGANISATION_PAGES)
    approves = user.is_active and user.organisation_role == OrganisationRole.APPROVER
    seen = (DEPLOYMENTS,) if approves else ()
    if projects_of(user, Role.AUDITOR).exists():
        return (OVERVIEW, *everybodys, *seen, AUDIT)
    return (*everybodys, *seen)


def _approves(user: User) -> bool:
    """Whether requests may wait for this person's word."""
    roles = {OrganisationRole.ADMIN, OrganisationRole.APPROVER}
    return user.organisation_role in roles or projects_of(user, Role.EDITOR).exists()


def _links(entries: tuple[Entry, ...], project: Project | None) -> list[dict[str, Any]]:
    return [
        {
            "page": entry.page,
            "icon": entry.icon,
            "word": entry.word,
            "address": entry.address(project),
        }
        for entry in entries
    ]
