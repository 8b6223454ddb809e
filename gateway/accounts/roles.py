"""Roles and what each admits. Plain data: looking up who holds which role is `access`.

INVARIANT: services ask `access.require_act` with an `Act` of this file, and the page that says what
each role may do is made from the same table.
"""

from enum import StrEnum
from typing import Final

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


class Act(StrEnum):
    """What people do that not everybody may."""

    USE_MODELS = "use_models"
    MAKE_OWN_KEYS = "make_own_keys"
    EDIT_POLICY = "edit_policy"
    KEEP_SERVICE_ACCOUNTS = "keep_service_accounts"
    REVOKE_KEYS = "revoke_keys"
    CHANGE_MEMBERS = "change_members"
    INVITE_MEMBERS = "invite_members"
    CHANGE_PROJECT = "change_project"
    READ_AUDIT = "read_audit"
    LOWER_FLOOR = "lower_floor"
    CREATE_PROJECTS = "create_projects"
    SET_LIMITS = "set_limits"
    CHANGE_PEOPLE = "change_people"
    INVITE_PEOPLE = "invite_people"
    CHANGE_GROUPS = "change_groups"
    CHANGE_ORGANISATION = "change_organisation"
    KEEP_DEPLOYMENTS = "keep_deployments"
    EDIT_ORGANISATION_POLICY = "edit_organisation_policy"
    STOP_EGRESS = "stop_egress"
    AGREE = "agree"


# In one project: the least role that may. Organisation roles stand in as said above.
IN_PROJECT: Final[dict[Act, Role]] = {
    Act.USE_MODELS: Role.MEMBER,
    Act.MAKE_OWN_KEYS: Role.MEMBER,
    Act.EDIT_POLICY: Role.EDITOR,
    Act.KEEP_SERVICE_ACCOUNTS: Role.EDITOR,
    Act.REVOKE_KEYS: Role.EDITOR,
    Act.CHANGE_MEMBERS: Role.OWNER,
    Act.INVITE_MEMBERS: Role.OWNER,
    Act.CHANGE_PROJECT: Role.OWNER,
    Act.READ_AUDIT: Role.AUDITOR,
}
_ADMIN: Final = frozenset({OrganisationRole.ADMIN})
# In the whole installation.
IN_ORGANISATION: Final[dict[Act, frozenset[OrganisationRole]]] = {
    **dict.fromkeys((act for act in Act if act not in IN_PROJECT), _ADMIN),
    Act.AGREE: frozenset({OrganisationRole.ADMIN, OrganisationRole.APPROVER}),
}


def may_by_role(act: Act, role: Role | OrganisationRole) -> bool:
    """Whether `role` alone admits `act`; an organisation role in whichever project."""
    least = IN_PROJECT.get(act)
    if isinstance(role, Role):
        return least is not None and role in roles_that_hold(least)
    allowed = IN_ORGANISATION[act] if least is None else stand_ins_for(least)
    return role in allowed
