"""Exceptions that wait for a second person, as the page of approvals has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from frontend.audit.rows import name_of, names_of
from frontend.policies.finding import one_of
from gateway.accounts.access import may
from gateway.accounts.models import User
from gateway.accounts.roles import Role
from gateway.deployments.models import WaitingState
from policies.models import WaitingException
from policies.services import waiting_exceptions as service
from policies.services.judging import NotPublished

ACTS: Final = frozenset({"exception-agree", "exception-reject", "exception-withdraw"})
MOST_WAITING: Final = 100
MOST_DECIDED: Final = 20
STATES: Final[Mapping[str, Promise]] = {
    WaitingState.APPROVED.value: gettext_lazy("agreed"),
    WaitingState.REJECTED.value: gettext_lazy("rejected"),
    WaitingState.WITHDRAWN.value: gettext_lazy("taken back"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One exception that was asked for, and what whoever looks may do about it."""

    row: WaitingException
    who: str
    decided_by: str
    state: str
    says: Sequence[tuple[str, str]]
    limited: bool  # to groups, models or keys
    mine: bool
    agrees: bool
    withdraws: bool


def seen(user: User) -> dict[str, Any]:
    """What the page shows `user` of them."""
    rows = service.waiting_exceptions_for(user)
    waiting = list(rows.filter(state=WaitingState.WAITING)[:MOST_WAITING])
    decided = rows.exclude(state=WaitingState.WAITING).order_by("-decided_at")
    return {
        "exceptions_waiting": _shown(waiting, user),
        "exceptions_decided": _shown(list(decided[:MOST_DECIDED]), user),
    }


def act(name: str, given: Mapping[str, str], user: User) -> str:
    """Do what a button says; what to say of it. Raises Http404, PermissionDenied, Conflict,
    ValidationError."""
    waiting = one_of(service.waiting_exceptions_for(user), given.get("exception", ""))
    note = given.get("note", "")
    if name == "exception-withdraw":
        service.withdraw_exception(by=user, waiting=waiting)
        return _("The exception was taken back.")
    if name == "exception-reject":
        service.reject_exception(by=user, waiting=waiting, note=note)
        return _("The exception was rejected: every rule holds.")
    try:
        row = service.approve_exception(by=user, waiting=waiting, note=note)
    except NotPublished as error:
        raise ValidationError([each.sentence for each in error.problems]) from error
    return _("The exception %(name)s holds.") % {"name": row.name}


def _shown(rows: Sequence[WaitingException], user: User) -> list[Shown]:
    names = names_of(name for row in rows for name in (row.author, row.decided_by))
    return [
        Shown(
            row=row,
            who=name_of(row.author, names),
            decided_by=name_of(row.decided_by, names) if row.decided_by else "",
            state=str(STATES.get(row.state, "")),
            says=sorted(row.says.items()),
            limited=bool(row.groups or row.aliases or row.keys),
            mine=row.author == f"user:{user.pk}",
            agrees=service.may_agree(user, row),
            withdraws=may(user, row.project, Role.EDITOR),
        )
        for row in rows
    ]
