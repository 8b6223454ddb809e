"""Who may look at deployments: whoever has a role in the organisation. Admins change them."""

from typing import cast

from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from gateway.accounts.models import User
from gateway.accounts.roles import OrganisationRole
from policies.services.conflicts import Conflict
from policies.services.judging import NotPublished


def who_looks(request: HttpRequest) -> User:
    """Who asks, if they have a role in the organisation. Raises PermissionDenied."""
    user = cast("User", request.user)
    if not user.is_active or user.organisation_role == OrganisationRole.NONE:
        raise PermissionDenied(_("Deployments are shown to the organisation's people."))
    return user


def who_changes(request: HttpRequest) -> User:
    """Who asks, if they administer the organisation. Raises PermissionDenied."""
    user = who_looks(request)
    if not user.is_admin:
        raise PermissionDenied(_("Deployments and aliases are changed by admins."))
    return user


Problems = dict[str, list[str]]


class RefusalsInto:
    """Collects what a service refuses, by field; `NON_FIELD_ERRORS` for what is of none."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def __enter__(self) -> None:
        """Nothing was refused yet."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> bool:
        """True for a refusal; all else goes on."""
        if isinstance(error, ValidationError) and hasattr(error, "error_dict"):
            for name, said in error.message_dict.items():
                self._add(name, *said)
        elif isinstance(error, ValidationError):
            self._add(NON_FIELD_ERRORS, *error.messages)
        elif isinstance(error, NotPublished):
            self._add(NON_FIELD_ERRORS, *(each.as_text() for each in error.problems))
        elif isinstance(error, Conflict):
            self._add(NON_FIELD_ERRORS, str(error))
        else:
            return False
        return True

    def _add(self, name: str, *said: str) -> None:
        self._problems.setdefault(name, []).extend(said)
