"""Which projects a person may chat in, and which they may see. Every view starts here."""

from typing import Final

from django.db.models import QuerySet

from gateway.accounts.access import NoSuchProject, get_project_for, projects_of
from gateway.accounts.models import Project, User
from gateway.accounts.roles import OrganisationRole, Role

_SEE_ALL: Final = frozenset({OrganisationRole.ADMIN, OrganisationRole.AUDITOR})
TO_CHAT = Role.MEMBER


def chat_projects(user: User) -> list[Project]:
    """The projects in which `user` may write, by name."""
    return sorted(projects_of(user, TO_CHAT), key=lambda project: project.name.casefold())


def chat_project(user: User, slug: object) -> Project:
    """The project `slug`, if `user` may write in it.

    Raises NoSuchProject (a 404), or PermissionDenied when their role there only reads.
    """
    return get_project_for(user, slug if isinstance(slug, str) else "", TO_CHAT)


def visible_projects(user: User) -> QuerySet[Project]:
    """Those that `user` belongs to; admins and the organisation's auditors see every one, admins
    also archived ones."""
    if user.organisation_role in _SEE_ALL:
        everything = Project.objects.all()
        return everything if user.is_admin else everything.filter(archived=False)
    return Project.objects.filter(archived=False, memberships__user=user)


def visible_project(user: User, slug: str) -> Project:
    """The project, for who may see its page. Raises NoSuchProject."""
    found = visible_projects(user).filter(slug=slug).first()
    if found is None:
        raise NoSuchProject("No such project.")
    return found
