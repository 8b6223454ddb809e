"""As whom a sheet's rows are asked for: the person who made it, for as long as they may."""

from gateway.accounts.access import may
from gateway.accounts.models import User
from gateway.accounts.roles import Role
from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.problems import SheetState
from gateway.inference.contracts import Principal
from gateway.snapshot.keys import principal_of_member


def principal_of(sheet: Sheet) -> Principal:
    """The sheet's person as a principal. Raises SheetState when they may not use the project any
    more. Three queries."""
    _, _, pk = sheet.actor.partition(":")
    person = User.objects.filter(pk=pk).first()
    if person is None or not may(person, sheet.project, Role.MEMBER):
        raise SheetState(
            "Whoever made this batch may not use the project any more.", code="creator_may_not"
        )
    return principal_of_member(person, sheet.project)
