"""Other ways of signing in that a person linked to their account."""

from allauth.socialaccount.models import SocialAccount
from django.core.exceptions import ValidationError
from django.db import transaction

from gateway.accounts.acting import actor_name
from gateway.accounts.models import User
from gateway.audit.event_types import EventType
from gateway.audit.services import record_event


@transaction.atomic
def unlink_provider(*, by: User) -> None:
    """Come in by the identity provider no more. Raises ValidationError without a password."""
    if not by.has_usable_password():
        raise ValidationError("Without a password this is your only way in.")
    removed, _ = SocialAccount.objects.filter(user=by).delete()
    if removed:
        record_event(
            actor=actor_name(by),
            type=EventType.IDENTITY_UNLINKED,
            object_type="user",
            object_id=str(by.pk),
            details={"method": "oidc"},
        )
