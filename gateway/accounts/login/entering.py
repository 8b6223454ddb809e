"""Who comes in by the identity provider.

Somebody known by the provider's id comes in as themselves. Somebody new comes in by an address that
the provider says is verified: to the account of that address, unless it has rights in the whole
organisation (that one is linked by its owner, signed in), or to a new account where a rule of the
claims gives anything. Everybody else is turned away.
"""

from collections.abc import Mapping
from typing import Any

from allauth.socialaccount.models import SocialLogin
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.http import HttpRequest

from gateway.accounts.login.claims import BY, Refused, apply, given_by, values_of
from gateway.accounts.models import Organisation, User, normalise_email
from gateway.accounts.roles import OrganisationRole
from gateway.accounts.services.people import create_user


def enter(request: HttpRequest, sociallogin: SocialLogin, claims: Mapping[str, Any]) -> User:
    """The person, with what the claims give now. Raises Refused, ValidationError."""
    given = given_by(Organisation.load().claim_rules, values_of(claims))
    with transaction.atomic():
        if sociallogin.is_existing:
            person = User.objects.get(pk=sociallogin.user.pk)
            if not person.is_active:
                raise Refused("no_account")
        else:
            person = _known_by_address(claims) or _new(claims, anything=given.anything)
            sociallogin.connect(request, person)
        apply(person, given)
    person.refresh_from_db()
    return person


def _known_by_address(claims: Mapping[str, Any]) -> User | None:
    person = User.objects.filter(email=_verified_address(claims)).first()
    if person is None:
        return None
    if not person.is_active:
        raise Refused("no_account")
    if person.organisation_role != OrganisationRole.NONE:
        raise Refused("link_first")
    return person


def _new(claims: Mapping[str, Any], *, anything: bool) -> User:
    if not anything:
        raise Refused("no_account")
    name = claims.get("name")
    return create_user(
        by=BY,
        email=_verified_address(claims),
        name=name.strip()[:200] if isinstance(name, str) else "",
    )


def _verified_address(claims: Mapping[str, Any]) -> str:
    email = claims.get("email")
    if not isinstance(email, str) or claims.get("email_verified") is not True:
        raise Refused("email_not_verified")
    try:
        validate_email(normalise_email(email))
    except ValidationError:
        raise Refused("email_not_verified") from None
    return normalise_email(email)
