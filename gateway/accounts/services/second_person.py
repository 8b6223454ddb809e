"""Who may widen. Where the organisation asks for it, a second person must agree."""

from gateway.accounts.acting import Acting
from gateway.accounts.models import Organisation, User
from gateway.accounts.roles import OrganisationRole

_APPROVERS = frozenset({OrganisationRole.ADMIN, OrganisationRole.APPROVER})


class SecondPersonNeeded(Exception):
    """The change widens what may be sent, and nobody else has agreed to it."""


def require_second_person(by: Acting, approved_by: User | None) -> None:
    """Raises SecondPersonNeeded unless the organisation does not ask for a second person or
    `approved_by` is one: an active admin or approver who is not `by`."""
    if not Organisation.load().second_person_for_widening:
        return
    if (
        approved_by is None
        or approved_by == by
        or not approved_by.is_active
        or approved_by.organisation_role not in _APPROVERS
    ):
        raise SecondPersonNeeded(
            "This widens what may be sent, and the organisation asks for a second person: "
            "another admin or approver must agree to it."
        )
