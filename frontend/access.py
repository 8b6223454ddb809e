"""Which projects a person may chat in. Every view starts here."""

from gateway.accounts.access import get_project_for, projects_of
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role

TO_CHAT = Role.MEMBER


def chat_projects(user: User) -> list[Project]:
    """The projects in which `user` may write, by name."""
    return sorted(projects_of(user, TO_CHAT), key=lambda project: project.name.casefold())


def chat_project(user: User, slug: object) -> Project:
    """The project `slug`, if `user` may write in it.

    Raises NoSuchProject (a 404), or PermissionDenied when their role there only reads.
    """
    return get_project_for(user, slug if isinstance(slug, str) else "", TO_CHAT)
