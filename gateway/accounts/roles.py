"""Roles and what each admits. Plain data: looking up who holds which role is `access`."""

from django.db import models


class OrganisationRole(models.TextChoices):
    """What a person may do in the whole installation."""

    NONE = "none", "none"
    ADMIN = "admin", "admin"
    APPROVER = "approver", "approver"
    AUDITOR = "auditor", "auditor"


class Role(models.TextChoices):
    """What a person may do in one project."""

    OWNER = "owner", "owner"
    EDITOR = "editor", "editor"
    MEMBER = "member", "member"
    AUDITOR = "auditor", "auditor"


# INVARIANT: an auditor reads the audit and uses no model; a member uses models and reads no audit.
_HOLDERS: dict[Role, frozenset[Role]] = {
    Role.MEMBER: frozenset({Role.MEMBER, Role.EDITOR, Role.OWNER}),
    Role.EDITOR: frozenset({Role.EDITOR, Role.OWNER}),
    Role.OWNER: frozenset({Role.OWNER}),
    Role.AUDITOR: frozenset({Role.AUDITOR, Role.OWNER}),
}
# Organisation roles that stand in for a project role. None stands in for `member`: nobody sends a
# project's data without having been made its member, which is an event.
_STAND_INS: dict[Role, frozenset[OrganisationRole]] = {
    Role.MEMBER: frozenset(),
    Role.EDITOR: frozenset({OrganisationRole.ADMIN}),
    Role.OWNER: frozenset({OrganisationRole.ADMIN}),
    Role.AUDITOR: frozenset({OrganisationRole.ADMIN, OrganisationRole.AUDITOR}),
}


def roles_that_hold(least: Role) -> frozenset[Role]:
    """The project roles that may do what `least` may do."""
    return _HOLDERS[least]


def stand_ins_for(least: Role) -> frozenset[OrganisationRole]:
    """The organisation roles that may do, in any project, what `least` may do."""
    return _STAND_INS[least]


MAY_USE = roles_that_hold(Role.MEMBER)
