"""Which API keys are alive, and as whom they act.

INVARIANT: a key that is not in the result is refused. It takes everything at once: not revoked,
not expired, its owner active and a member with a role that uses models, its project not archived.
"""

import uuid
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from django.db.models import Q

from gateway.accounts.models import APIKey, Group, Membership, Project, User
from gateway.accounts.roles import MAY_USE
from gateway.accounts.services import floor_of
from gateway.inference.contracts import Principal
from gateway.protocol.restores import Restores

_Groups = Mapping[uuid.UUID, frozenset[str]]


def live_keys(now: datetime) -> dict[bytes, Principal]:
    """Every live key's SHA-256 with its principal. Three queries."""
    groups = groups_by_user()
    members = set(Membership.objects.filter(role__in=MAY_USE).values_list("project_id", "user_id"))
    keys = (
        APIKey.objects.filter(revoked_at=None, project__archived=False)
        .filter(Q(expires_at=None) | Q(expires_at__gt=now))
        .select_related("project", "user", "service_account__on_behalf_of")
    )
    return {
        bytes.fromhex(key.digest): _principal(key, groups)
        for key in keys
        if _is_alive(key, members)
    }


def live_key(digest: str, now: datetime) -> tuple[APIKey, Principal] | None:
    """The live key with this SHA-256 (hex), outside of the request path. Three queries."""
    key = (
        APIKey.objects.filter(digest=digest, revoked_at=None, project__archived=False)
        .filter(Q(expires_at=None) | Q(expires_at__gt=now))
        .select_related("project", "user", "service_account__on_behalf_of")
        .first()
    )
    if key is None:
        return None
    members = Membership.objects.filter(project=key.project, role__in=MAY_USE)
    if not _is_alive(key, set(members.values_list("project_id", "user_id"))):
        return None
    return key, _principal(key, groups_by_user())


def _is_alive(key: APIKey, members: set[tuple[uuid.UUID, uuid.UUID]]) -> bool:
    person = key.user
    account = key.service_account
    if account is not None:
        if not account.active or account.project_id != key.project_id:
            return False
        if account.on_behalf_of is None:
            return True
        person = account.on_behalf_of
    return person is not None and person.is_active and (key.project_id, person.pk) in members


def _principal(key: APIKey, groups: _Groups) -> Principal:
    account = key.service_account
    behalf = account.on_behalf_of_id if account is not None else None
    person = key.user_id or behalf
    return Principal(
        actor=f"service_account:{account.pk}" if account is not None else f"user:{key.user_id}",
        project=key.project.slug,
        key_id=str(key.pk),
        key_prefix=key.prefix,
        on_behalf_of=f"user:{behalf}" if behalf is not None else "",
        groups=groups.get(person, frozenset()) if person is not None else frozenset(),
        scopes=frozenset(key.scopes),
        floor=floor_of(key),
        requests_per_minute=key.requests_per_minute,
        expires_at=key.expires_at.timestamp() if key.expires_at is not None else None,
        restores=_restores(key.restores),
    )


def _restores(word: str) -> Restores:
    try:
        return Restores(word)
    except ValueError:
        return Restores.NOTHING  # written by a later version: the least it can mean


def groups_by_user() -> _Groups:
    """The groups' slugs of every person in one. One query."""
    found: defaultdict[uuid.UUID, set[str]] = defaultdict(set)
    for user, slug in Group.objects.filter(members__isnull=False).values_list("members", "slug"):
        found[user].add(slug)
    return {user: frozenset(slugs) for user, slugs in found.items()}


def principal_of_member(user: User, project: Project) -> Principal:
    """Who asks when a person acts without a key (pages, the admin API). One query.

    Whoever calls has checked that `user` may use `project`.
    """
    return Principal(
        actor=f"user:{user.pk}",
        project=project.slug,
        groups=frozenset(user.access_groups.values_list("slug", flat=True)),
    )
