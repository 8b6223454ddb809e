"""Who may look at deployments: whoever has a role in the organisation. Admins change them."""

from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def refusals_into(problems: Problems) -> Iterator[None]:
    """Collect what a service refuses, by field; `NON_FIELD_ERRORS` for what is of none."""
    try:
        yield
    except ValidationError as error:
        if hasattr(error, "error_dict"):
            for name, said in error.message_dict.items():
                problems.setdefault(name, []).extend(said)
        else:
            problems.setdefault(NON_FIELD_ERRORS, []).extend(error.messages)
    except NotPublished as error:
        problems.setdefault(NON_FIELD_ERRORS, []).extend(each.as_text() for each in error.problems)
    except Conflict as error:
        problems.setdefault(NON_FIELD_ERRORS, []).append(str(error))
