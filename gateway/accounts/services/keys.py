"""Making and revoking API keys.

The text of a key exists once, in the value returned by `create_api_key`. What is stored is its
digest; what people see afterwards is its prefix.
"""

import hashlib
import secrets
import string
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from gateway.accounts.access import require_act, role_in
from gateway.accounts.acting import Acting, System
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import APIKey, Project, ServiceAccount, User
from gateway.accounts.roles import MAY_USE, Act
from gateway.audit.event_types import EventType
from gateway.protocol.restores import Restores
from policies.engine.facts import Endpoint
from policies.engine.labels import Label, Sensitivity

KEY_START = "sk-sluice-"
ADMIN_SCOPE = "admin"
STORED_SCOPES = frozenset({"files", "batches"})
SCOPES = frozenset({endpoint.value for endpoint in Endpoint} | {ADMIN_SCOPE}) | STORED_SCOPES
_PREFIX_LETTERS = string.ascii_lowercase + string.digits
_PREFIX_LENGTH = 8
_SECRET_BYTES = 32  # 43 characters, 256 bits


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key and its text, which is shown once and stored nowhere."""

    key: APIKey
    text: str = field(repr=False)


def digest_of(text: str) -> str:
    """The SHA-256 (hex) under which a key is stored."""
    return hashlib.sha256(text.encode()).hexdigest()


def create_api_key(  # noqa: PLR0913 -- a key has that many properties
    *,
    by: Acting,
    project: Project,
    name: str,
    owner: User | ServiceAccount,
    scopes: Collection[str] = (),
    floor: Label | None = None,
    requests_per_minute: int | None = None,
    expires_at: datetime | None = None,
    restores: Restores = Restores.EVERYTHING,
) -> CreatedKey:
    """Make a key for `owner` in `project`: people for themselves, editors for service accounts.

    Nobody makes a key that acts as somebody else: whoever reads its text could.

    A person must belong to the project with a role that uses models; a service account must be
    the project's. `scopes` empty: every relay endpoint, not the admin API. Raises
    PermissionDenied, ValidationError.
    """
    require_owner_rights(by, project, owner)
    _check(name, scopes, requests_per_minute, expires_at)
    if ADMIN_SCOPE in scopes and not may_give_admin(by, owner):
        raise PermissionDenied("Only the person whom a key acts for gives it the scope admin.")
    prefix, text = new_text()
    floor = floor if floor is not None else Label()
    with changing():
        key = APIKey.objects.create(
            project=project,
            user=owner if isinstance(owner, User) else None,
            service_account=owner if isinstance(owner, ServiceAccount) else None,
            name=name.strip(),
            prefix=prefix,
            digest=digest_of(text),
            scopes=sorted(scopes),
            floor_sensitivity=floor.sensitivity.word,
            floor_categories=sorted(floor.categories),
            requests_per_minute=requests_per_minute,
            expires_at=expires_at,
            restores=restores.value,
        )
        record_change(
            by,
            EventType.KEY_CREATED,
            "key",
            key.pk,
            project=project.slug,
            prefix=prefix,
            name=key.name,
            scopes=list(key.scopes),
            expires_at=expires_at.isoformat() if expires_at else None,
            floor=key.floor_sensitivity,
            owner=owner_name(key),
            requests_per_minute=requests_per_minute,
            restores=key.restores,
        )
    return CreatedKey(key, text)


def revoke_api_key(*, by: Acting, key: APIKey, reason: str = "") -> None:
    """End a key at once; every process forgets it within a second. Doing it twice is harmless.

    Its owner may, and whoever edits the project. Raises PermissionDenied.
    """
    if not (isinstance(by, User) and by.is_active and key.user_id == by.pk):
        require_act(by, Act.REVOKE_KEYS, key.project)
    with changing():
        revoked = APIKey.objects.filter(pk=key.pk, revoked_at=None).update(
            revoked_at=timezone.now()
        )
        if not revoked:
            return
        record_change(
            by,
            EventType.KEY_REVOKED,
            "key",
            key.pk,
            project=key.project.slug,
            prefix=key.prefix,
            name=key.name,
            owner=owner_name(key),
            reason=reason,
        )
    key.refresh_from_db()


def owner_name(key: APIKey) -> str:
    """`user:<uuid>` or `service_account:<uuid>`: the actor of requests with this key."""
    kind: Literal["user", "service_account"] = "user" if key.user_id else "service_account"
    return f"{kind}:{key.user_id or key.service_account_id}"


def new_text() -> tuple[str, str]:
    """A new key's prefix, and all of it."""
    prefix = KEY_START + "".join(secrets.choice(_PREFIX_LETTERS) for _ in range(_PREFIX_LENGTH))
    return prefix, f"{prefix}-{secrets.token_urlsafe(_SECRET_BYTES)}"


def require_owner_rights(by: Acting, project: Project, owner: User | ServiceAccount) -> None:
    """Refuse whoever may not make a key of `owner`. Raises PermissionDenied, ValidationError."""
    if project.archived:
        raise ValidationError("An archived project has no keys.")
    if isinstance(owner, ServiceAccount):
        require_act(by, Act.KEEP_SERVICE_ACCOUNTS, project)
        if owner.project_id != project.pk or not owner.active:
            raise ValidationError("The service account is not active in this project.")
        return
    if isinstance(by, User) and by != owner:
        raise PermissionDenied("People make their own keys: a key acts as whom it belongs to.")
    if not owner.is_active or role_in(owner, project) not in MAY_USE:
        raise ValidationError("The key's owner must be a member of the project who may use models.")


def may_give_admin(by: Acting, owner: User | ServiceAccount) -> bool:
    """In the admin API a service account's key acts as the person it acts for, so only that
    person gives it this scope."""
    if isinstance(by, System) or by == owner:
        return True
    return isinstance(owner, ServiceAccount) and owner.on_behalf_of_id == by.pk


def _check(
    name: str,
    scopes: Collection[str],
    requests_per_minute: int | None,
    expires_at: datetime | None,
) -> None:
    if not name.strip() or len(name) > 100:
        raise ValidationError("A key needs a name of at most 100 characters.")
    unknown = sorted(set(scopes) - SCOPES)
    if unknown:
        raise ValidationError(
            f"Unknown scope {unknown[0]!r}: use any of {', '.join(sorted(SCOPES))}."
        )
    if requests_per_minute is not None and requests_per_minute < 1:
        raise ValidationError("requests_per_minute must be at least 1; leave it out for no limit.")
    if expires_at is not None:
        if expires_at.tzinfo is None:
            raise ValidationError("expires_at needs a time zone.")
        if expires_at <= timezone.now():
            raise ValidationError("expires_at lies in the past.")


def floor_of(row: APIKey | Project) -> Label:
    """The floor stored in a row."""
    return Label(Sensitivity.from_word(row.floor_sensitivity), frozenset(row.floor_categories))
