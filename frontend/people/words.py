"""What people read for roles, for what they admit, and for what keys may do."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from gateway.accounts.roles import Act, OrganisationRole, Role

ROLES: Final[dict[str, Promise]] = {
    Role.OWNER.value: _("Owner"),
    Role.EDITOR.value: _("Editor"),
    Role.MEMBER.value: _("Member"),
    Role.AUDITOR.value: _("Auditor"),
}
ORGANISATION_ROLES: Final[dict[str, Promise]] = {
    OrganisationRole.NONE.value: _("No role"),
    OrganisationRole.ADMIN.value: _("Admin"),
    OrganisationRole.APPROVER.value: _("Approver"),
    OrganisationRole.AUDITOR.value: _("Auditor"),
}
ACTS: Final[dict[Act, Promise]] = {
    Act.USE_MODELS: _("Chat, send requests, run batches"),
    Act.MAKE_OWN_KEYS: _("Make keys that act as themselves"),
    Act.EDIT_POLICY: _("Edit and publish the project's policy"),
    Act.KEEP_SERVICE_ACCOUNTS: _("Make service accounts and their keys, switch them off"),
    Act.REVOKE_KEYS: _("Revoke everybody's keys in the project"),
    Act.CHANGE_MEMBERS: _("Add and remove members, change their roles"),
    Act.INVITE_MEMBERS: _("Invite people to the project"),
    Act.CHANGE_PROJECT: _("Rename or archive the project, raise its floor"),
    Act.READ_AUDIT: _("Read the audit"),
    Act.LOWER_FLOOR: _("Lower a project's floor"),
    Act.CREATE_PROJECTS: _("Create projects, bring archived ones back"),
    Act.SET_LIMITS: _("Set how much a project may store and run"),
    Act.CHANGE_PEOPLE: _("Change people's roles, switch accounts off and on"),
    Act.INVITE_PEOPLE: _("Invite people to the organisation"),
    Act.CHANGE_GROUPS: _("Make groups and say who is in them"),
    Act.CHANGE_ORGANISATION: _("Change the organisation's settings"),
    Act.KEEP_DEPLOYMENTS: _("Register deployments and say what may go there"),
    Act.EDIT_ORGANISATION_POLICY: _("Edit and publish the organisation's policy"),
    Act.STOP_EGRESS: _("Stop everything that leaves on-prem"),
    Act.AGREE: _("Agree as the second person to what widens"),
}
SCOPES: Final[dict[str, Promise]] = {
    "chat.completions": _("Chat"),
    "completions": _("Text completion"),
    "embeddings": _("Embeddings"),
    "responses": _("Responses"),
    "files": _("Files"),
    "batches": _("Batches"),
    "admin": _("Admin API, as the person"),
}
RESTORES: Final[dict[str, Promise]] = {
    "everything": _("Put masked values back everywhere"),
    "text": _("Put them back in the text, not in tool calls"),
    "nothing": _("Leave placeholders in"),
}


def role_words() -> list[tuple[str, Promise]]:
    """Roles in a project, for a form."""
    return list(ROLES.items())


def organisation_role_words() -> list[tuple[str, Promise]]:
    """Roles in the organisation, for a form."""
    return list(ORGANISATION_ROLES.items())
