"""Replacing an API key: a new text at once, the old one accepted for a while longer."""

import uuid
from datetime import timedelta
from typing import Final

from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from gateway.accounts.acting import Acting
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import APIKey
from gateway.accounts.services.keys import (
    ADMIN_SCOPE,
    CreatedKey,
    digest_of,
    may_give_admin,
    new_text,
    owner_name,
    require_owner_rights,
)
from gateway.audit.event_types import EventType

LONGEST_OVERLAP: Final = timedelta(days=90)


def rotate_api_key(*, by: Acting, key: APIKey, overlap: timedelta) -> CreatedKey:
    """A new key that is like `key` in everything but its text; `key` itself ends after `overlap`.

    Whoever may make such a key may. Each of the two has limits of its own while both are accepted.
    Raises PermissionDenied, ValidationError.
    """
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise ValidationError(f"The overlap is from none to {LONGEST_OVERLAP.days} days.")
    prefix, text = new_text()
    with changing():
        row = APIKey.objects.select_for_update().get(pk=key.pk)
        owner = row.user or row.service_account
        assert owner is not None  # noqa: S101 -- a constraint of the table
        require_owner_rights(by, row.project, owner)
        if ADMIN_SCOPE in row.scopes and not may_give_admin(by, owner):
            raise PermissionDenied("Only the person whom a key acts for gives it the scope admin.")
        now = timezone.now()
        if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
            raise ValidationError("This key is not valid any more: make another.")
        ends = min(row.expires_at or now + overlap, now + overlap)
        APIKey.objects.filter(pk=row.pk).update(expires_at=ends)
        # The same row once more, whatever properties keys have by now.
        row.pk = uuid.uuid4()
        row.prefix, row.digest = prefix, digest_of(text)
        row.created_at, row.last_used_at = now, None
        row.save(force_insert=True)
        record_change(
            by,
            EventType.KEY_ROTATED,
            "key",
            key.pk,
            project=row.project.slug,
            prefix=key.prefix,
            name=row.name,
            owner=owner_name(row),
            successor=prefix,
            expires_at=ends.isoformat(),
        )
    key.refresh_from_db()
    return CreatedKey(row, text)
