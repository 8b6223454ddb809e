"""Whose policy a route is about, and whether whoever asks may see or change it.

A key acts in its own project alone, never for the organisation. A project of others and an unknown
one look the same.
"""

from enum import StrEnum

from django.core.exceptions import PermissionDenied
from rest_framework.request import Request

from gateway.accounts.access import NoSuchProject, get_project_for, may
from gateway.accounts.models import APIKey, Membership, Project, User
from gateway.accounts.roles import OrganisationRole, Role


class Access(StrEnum):
    """What somebody wants of a policy."""

    READ = "read"  # what is in effect, was in effect, and bears on it: every role in the project
    REPORT = "report"  # what was counted over requests: editors and auditors
    EDIT = "edit"  # drafts, publishing, what rules are made of: editors
    USE = "use"  # ask on behalf of requests: members, and editors


_ROLES: dict[Access, tuple[Role, ...]] = {
    Access.READ: (Role.EDITOR, Role.AUDITOR, Role.MEMBER),
    Access.REPORT: (Role.AUDITOR, Role.EDITOR),
    Access.EDIT: (Role.EDITOR,),
    Access.USE: (Role.EDITOR, Role.MEMBER),
}
_IN_THE_ORGANISATION: dict[Access, frozenset[OrganisationRole]] = {
    Access.READ: frozenset(
        {OrganisationRole.ADMIN, OrganisationRole.AUDITOR, OrganisationRole.APPROVER}
    ),
    Access.REPORT: frozenset({OrganisationRole.ADMIN, OrganisationRole.AUDITOR}),
    Access.EDIT: frozenset({OrganisationRole.ADMIN}),
    Access.USE: frozenset({OrganisationRole.ADMIN}),
}


def person_of(request: Request) -> User:
    """Who asks. Authentication and its permission ran before, so there is somebody."""
    if not isinstance(request.user, User):
        raise PermissionDenied("Nobody is logged in.")
    return request.user


def project_of_key(request: Request) -> Project | None:
    """The only project that the key in use reaches; None: a session, which reaches all of them."""
    return request.auth.project if isinstance(request.auth, APIKey) else None


def owner_for(request: Request, slug: str | None, access: Access) -> Project | None:
    """The project `slug`, or None for the organisation, if this is allowed there.

    Raises NoSuchProject, PermissionDenied.
    """
    if slug is not None:
        return project_for(request, slug, access)
    require_in_organisation(request, access)
    return None


def project_for(request: Request, slug: str, access: Access) -> Project:
    """The project, if this is allowed there. Raises NoSuchProject, PermissionDenied."""
    user, only = person_of(request), project_of_key(request)
    if only is not None and only.slug != slug:
        raise NoSuchProject("No such project.")
    project = Project.objects.filter(slug=slug, archived=False).first()
    roles = _ROLES[access]
    if project is not None and any(may(user, project, role) for role in roles):
        return project
    # Says whether there is none for them, or they have too small a role.
    return get_project_for(user, slug, roles[0])


def require_in_organisation(request: Request, access: Access) -> None:
    """Raises PermissionDenied unless this is allowed for the organisation's own policy.

    What is in effect above a project may be read by everybody who belongs to one.
    """
    user = person_of(request)
    if project_of_key(request) is not None:
        raise PermissionDenied("An API key acts in its own project alone: log in for this.")
    if user.organisation_role in _IN_THE_ORGANISATION[access]:
        return
    if access is Access.READ and Membership.objects.filter(user=user, project__archived=False):
        return
    raise PermissionDenied("This needs a role in the organisation.")
