"""Everything that changes accounts. Each takes `by`, checks its rights, owns the transaction and
writes the audit event in it."""

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
from gateway.accounts.services.second_person import SecondPersonNeeded, require_second_person

__all__ = [
    "CreatedKey",
    "SecondPersonNeeded",
    "add_member",
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
    "floor_of",
    "reactivate_user",
    "remove_group",
    "remove_member",
    "require_second_person",
    "revoke_api_key",
    "rotate_api_key",
    "set_group",
    "set_limits",
    "set_password",
]
