"""Everything that changes accounts. Each takes `by`, checks its rights, owns the transaction and
writes the audit event in it."""

from gateway.accounts.services.identities import unlink_provider
from gateway.accounts.services.invitations import (
    Invited,
    NoSuchInvitation,
    accept,
    accept_as_new,
    invitation_of,
    invite,
    open_invitations,
    revoke_invitation,
)
from gateway.accounts.services.key_rotation import rotate_api_key
from gateway.accounts.services.keys import (
    CreatedKey,
    create_api_key,
    digest_of,
    floor_of,
    revoke_api_key,
)
from gateway.accounts.services.limits import set_limits
from gateway.accounts.services.people import (
    change_organisation,
    change_user_role,
    create_user,
    deactivate_user,
    reactivate_user,
    remove_group,
    set_group,
    set_password,
)
from gateway.accounts.services.projects import (
    add_member,
    change_project,
    create_project,
    create_service_account,
    deactivate_service_account,
    remove_member,
)
from gateway.accounts.services.second_factors import (
    add_second_factor,
    drop_second_factor,
    remove_second_factor,
    renew_recovery_codes,
    unused_recovery_codes,
)
from gateway.accounts.services.second_person import SecondPersonNeeded, require_second_person
from gateway.accounts.services.sessions import (
    end_all_sessions,
    end_other_sessions,
    end_session,
    sessions_of,
)

__all__ = [
    "CreatedKey",
    "Invited",
    "NoSuchInvitation",
    "SecondPersonNeeded",
    "accept",
    "accept_as_new",
    "add_member",
    "add_second_factor",
    "change_organisation",
    "change_project",
    "change_user_role",
    "create_api_key",
    "create_project",
    "create_service_account",
    "create_user",
    "deactivate_service_account",
    "deactivate_user",
    "digest_of",
    "drop_second_factor",
    "end_all_sessions",
    "end_other_sessions",
    "end_session",
    "floor_of",
    "invitation_of",
    "invite",
    "open_invitations",
    "reactivate_user",
    "remove_group",
    "remove_member",
    "remove_second_factor",
    "renew_recovery_codes",
    "require_second_person",
    "revoke_api_key",
    "revoke_invitation",
    "rotate_api_key",
    "sessions_of",
    "set_group",
    "set_limits",
    "set_password",
    "unlink_provider",
    "unused_recovery_codes",
]
