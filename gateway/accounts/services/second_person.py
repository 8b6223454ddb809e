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
    if Organisation.load().second_person_for_widening and not is_second_person(by, approved_by):
        raise SecondPersonNeeded(
            "This widens what may be sent, and the organisation asks for a second person: "
            "another admin or approver must agree to it."
        )


def require_another(by: Acting, approved_by: User | None, what: str) -> None:
    """Raises SecondPersonNeeded unless a second person agreed, whatever the settings say.

    `what` begins the sentence: "Publishing the organisation's policy".
    """
    if not is_second_person(by, approved_by):
        raise SecondPersonNeeded(f"{what} takes a second person: another admin or approver.")


def is_second_person(by: Acting, other: User | None) -> bool:
    """Whether `other` may agree to what `by` does: an active admin or approver, and not `by`."""
    return (
        other is not None
        and other != by
        and other.is_active
        and other.organisation_role in _APPROVERS
    )
