"""What a person may reach. Every view and API endpoint starts here; nothing is reached by default.

An unknown project and one that belongs to others look the same: `NoSuchProject`, a 404.
"""

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404

from gateway.accounts.acting import Acting, System
from gateway.accounts.models import Membership, Project, User
from gateway.accounts.roles import (
    IN_ORGANISATION,
    IN_PROJECT,
    Act,
    OrganisationRole,
    Role,
    roles_that_hold,
    stand_ins_for,
)


class NoSuchProject(Http404):
    """There is no such project for whoever asks."""


def projects_of(user: User, least_role: Role = Role.MEMBER) -> QuerySet[Project]:
    """The projects, not archived, in which `user` may do what `least_role` may do."""
    projects = Project.objects.filter(archived=False)
    if not user.is_active:
        return projects.none()
    if user.organisation_role in stand_ins_for(least_role):
        return projects
    return projects.filter(
        memberships__user=user, memberships__role__in=roles_that_hold(least_role)
    )


def role_in(user: User, project: Project) -> Role | None:
    """The role of `user` in `project`; None when there is no membership."""
    found = Membership.objects.filter(user=user, project=project).values_list("role", flat=True)
    role = found.first()
    return Role(role) if role is not None else None


def may(by: Acting, project: Project, least_role: Role) -> bool:
    """Whether `by` may do in `project` what `least_role` may do."""
    if isinstance(by, System):
        return True
    if not by.is_active or project.archived:
        return False
    return by.organisation_role in stand_ins_for(least_role) or (
        role_in(by, project) in roles_that_hold(least_role)
    )


def get_project_for(user: User, slug: str, least_role: Role = Role.MEMBER) -> Project:
    """The project `slug`, if `user` may do there what `least_role` may do.

    Raises NoSuchProject when it is unknown, archived or none of theirs, PermissionDenied when they
    belong to it with a lesser role.
    """
    project = Project.objects.filter(slug=slug, archived=False).first()
    if project is not None and user.is_active:
        if may(user, project, least_role):
            return project
        if role_in(user, project) is not None:
            raise PermissionDenied(f"This needs the role {least_role.value} in the project.")
        if user.organisation_role in {OrganisationRole.ADMIN, OrganisationRole.AUDITOR}:
            raise PermissionDenied(f"This needs the role {least_role.value} in the project.")
    raise NoSuchProject("No such project.")


def require(by: Acting, project: Project, least_role: Role) -> None:
    """Raises PermissionDenied unless `by` may do in `project` what `least_role` may do."""
    if not may(by, project, least_role):
        raise PermissionDenied(f"This needs the role {least_role.value} in the project.")


def require_admin(by: Acting) -> None:
    """Raises PermissionDenied unless `by` administers the installation."""
    if isinstance(by, User) and not by.is_admin:
        raise PermissionDenied("This needs the organisation role admin.")


def may_act(by: Acting, act: Act, project: Project | None = None) -> bool:
    """Whether `by` may do `act`, in `project` where it is about one."""
    least = IN_PROJECT.get(act)
    if least is not None:
        return project is not None and may(by, project, least)
    if isinstance(by, System):
        return True
    return by.is_active and by.organisation_role in IN_ORGANISATION[act]


def require_act(by: Acting, act: Act, project: Project | None = None) -> None:
    """Raises PermissionDenied unless `may_act`."""
    if may_act(by, act, project):
        return
    least = IN_PROJECT.get(act)
    if least is not None:
        raise PermissionDenied(f"This needs the role {least.value} in the project.")
    names = " or ".join(sorted(IN_ORGANISATION[act]))
    raise PermissionDenied(f"This needs the organisation role {names}.")
