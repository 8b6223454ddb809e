"""What the rail shows: the pages of a project, those of the organisation, and who is signed in.

A new page is one entry here, and `page` in its template's context.
"""

from dataclasses import dataclass
from typing import Any, Final, cast

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from frontend.access import chat_projects
from gateway.accounts.access import projects_of
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role

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
    Entry(page="chat", route="project-chat", icon="chat", word=_("Chat"), takes_project=True),
    Entry(
        page="policy", route="project-policy", icon="shield", word=_("Policy"), takes_project=True
    ),
)
# Shown to organisation admins and auditors; the audit also to those who audit a project.
AUDIT: Final = Entry(page="audit", route="audit", icon="audit", word=_("Audit"))
ORGANISATION_PAGES: Final = (
    Entry(page="organisation-policy", route="organisation-policy", icon="shield", word=_("Policy")),
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
    }


def person_of(user: User) -> dict[str, str]:
    """How a person is named on the pages."""
    name = user.name or user.email
    return {
        "name": name,
        "initial": name[:1],
        "detail": user.email if name != user.email else gettext("Signed in"),
    }


def _organisation_pages(user: User) -> tuple[Entry, ...]:
    if user.is_staff:
        return ORGANISATION_PAGES
    return (AUDIT,) if projects_of(user, Role.AUDITOR).exists() else ()


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
