"""Whose policy a page is about, who may look at it and change it, and its addresses."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils.translation import gettext as _

from gateway.accounts.access import NoSuchProject, get_project_for, may
from gateway.accounts.models import Project, User
from gateway.accounts.roles import OrganisationRole, Role


def project_to_see(user: User, slug: str | None) -> Project | None:
    """The project whose policy is shown; None stands for the organisation.

    Raises PermissionDenied, NoSuchProject.
    """
    if slug is None:
        if user.organisation_role == OrganisationRole.NONE:
            raise PermissionDenied(_("This policy is shown to the organisation's people."))
        return None
    for least in (Role.MEMBER, Role.AUDITOR):
        try:
            return get_project_for(user, slug, least)
        except PermissionDenied:
            continue
    raise NoSuchProject("No such project.")


def project_to_edit(user: User, slug: str | None) -> Project | None:
    """As `project_to_see`, for those who may change it."""
    project = project_to_see(user, slug)
    if not may_edit(user, project):
        raise PermissionDenied(_("This policy is changed by its editors."))
    return project


def may_edit(user: User, project: Project | None) -> bool:
    """Whether `user` may change the policy."""
    return user.is_admin if project is None else may(user, project, Role.EDITOR)


def address(name: str, project: Project | None, **more: Any) -> str:
    """Where a page of the policy is: `policy`, `policy-draft`, `policy-rule`, …"""
    if project is None:
        return reverse(f"organisation-{name}", kwargs=more)
    return reverse(f"project-{name}", kwargs={"slug": project.slug, **more})


def addresses(project: Project | None) -> dict[str, str]:
    """The addresses that every page of a policy links to, by their last word."""
    names = {
        "seen": "policy",
        "draft": "policy-draft",
        "rule": "policy-rule",
        "recipes": "policy-recipes",
        "diff": "policy-diff",
    }
    return {key: address(name, project) for key, name in names.items()}


def whose(project: Project | None) -> dict[str, Any]:
    """The context that every page of a policy has."""
    return {
        "page": "policy" if project is not None else "organisation-policy",
        "project": project,
        "at": addresses(project),
    }
