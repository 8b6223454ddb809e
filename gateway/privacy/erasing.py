"""Erases a person. What stays in evidence and figures stays under an id that leads to nobody.

The audit's chains hold no personal text: people stand there as ids, and what leads from an id to a
person is the account. So it is the account that goes, with the keys of what the person had written,
and every chain verifies as before. Every step may be repeated; one that was interrupted is finished
by doing it again.
"""

from dataclasses import dataclass, field

from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import ForeignKey, OneToOneField, Q

from gateway.accounts.access import require_admin
from gateway.accounts.acting import Acting
from gateway.accounts.changes import changing, record_change
from gateway.accounts.entry_models import ClaimGrant, Invitation
from gateway.accounts.models import APIKey, Membership, ServiceAccount, User
from gateway.accounts.roles import OrganisationRole
from gateway.accounts.services import (
    deactivate_service_account,
    deactivate_user,
    revoke_api_key,
)
from gateway.audit.event_types import EventType
from gateway.audit.models import AuditEvent
from gateway.batches.services import erase_batches
from gateway.batches.sheets.services import erase_sheets
from gateway.chat.erasing import erase_person as erase_chat
from gateway.content.services import erase_person as erase_content
from gateway.files.services import erase_files
from gateway.privacy.holding import kept_of
from gateway.privacy.identity import ERASED_DOMAIN, Identity, identity_of, is_erased
from gateway.privacy.searching import found_in, replace_in_free_text


class UnderHold(ValueError):
    """Legal holds keep some of the person's data, so nothing of it goes. `kept`: by hold, with its
    reason, how much of which kind."""

    def __init__(self, kept: dict[str, dict[str, int]]) -> None:
        super().__init__(
            "nothing was erased: "
            + "; ".join(_said(*each) for each in kept.items())
            + ". End the hold first (audit hold --end)"
        )
        self.kept = kept


def _said(hold: str, kinds: dict[str, int]) -> str:
    counts = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    return f"{hold} ({counts or 'nothing yet'})"


@dataclass(slots=True)
class Report:
    """What went, by kind, and where the person's address or name still stands."""

    person: str
    erased: dict[str, int] = field(default_factory=dict)
    remaining: dict[str, int] = field(default_factory=dict)


def erase(*, by: Acting, user: User) -> Report:
    """Erase a person everywhere. Admins only. Cannot be undone.

    Raises PermissionDenied, UnderHold, ValidationError (the last admin).
    """
    require_admin(by)
    who = identity_of(user)
    _refuse_held(who)
    report = Report(who.actor)
    gone = report.erased
    _close(by, who, gone)
    gone["sheets"] = erase_sheets(who.actors)
    gone["batches"] = erase_batches(who.actors)
    gone["files"] = erase_files(who.actors)
    gone["chat"] = erase_chat(who.user)
    with transaction.atomic():
        contents = [erase_content(actor) for actor in who.actors]
        gone["kept_content"] = sum(texts for texts, _ in contents)
        gone["keys_destroyed"] = sum(keys for _, keys in contents)
    gone["free_texts"] = replace_in_free_text(who.said, who.actor)
    _empty(by, who, gone)
    report.remaining = found_in(who.said)
    with changing():
        record_change(
            by,
            EventType.PERSON_ERASED,
            "user",
            user.pk,
            parts=[f"{name} {count}" for name, count in sorted(gone.items())],
            remaining=[f"{place} {count}" for place, count in sorted(report.remaining.items())],
        )
    return report


def erase_again(*, by: Acting) -> list[Report]:
    """Erase everybody who was erased before and is here again: after a restore."""
    erased = AuditEvent.objects.filter(type=EventType.PERSON_ERASED)
    ids = set(erased.values_list("object_id", flat=True))
    back = [user for user in User.objects.filter(pk__in=ids) if not is_erased(user)]
    return [erase(by=by, user=user) for user in back]


def _refuse_held(who: Identity) -> None:
    kept = kept_of(who)
    if kept:
        raise UnderHold(kept)


def _close(by: Acting, who: Identity, gone: dict[str, int]) -> None:
    """End whatever could still act for the person."""
    user = who.user
    if user.is_active:
        deactivate_user(by=by, user=user)
    keys = APIKey.objects.filter(user=user, revoked_at=None)
    gone["api_keys"] = len(keys)
    for key in keys:
        revoke_api_key(by=by, key=key, reason="person_erased")
    accounts = ServiceAccount.objects.filter(on_behalf_of=user, active=True)
    gone["service_accounts"] = len(accounts)
    for account in accounts.select_related("project"):
        deactivate_service_account(by=by, account=account)
    gone["sessions"] = _end_sessions(user)


def _end_sessions(user: User) -> int:
    ended = 0
    for session in Session.objects.iterator():
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            session.delete()
            ended += 1
    return ended


def _empty(by: Acting, who: Identity, gone: dict[str, int]) -> None:
    """Take everything out of the account that says who it was."""
    user = who.user
    with changing():
        gone["memberships"], _ = Membership.objects.filter(user=user).delete()
        ClaimGrant.objects.filter(user=user).delete()
        gone["invitations"], _ = Invitation.objects.filter(
            Q(email=user.email) | Q(invited_by=user) | Q(accepted_by=user)
        ).delete()
        gone["groups"] = user.access_groups.count()
        user.access_groups.clear()
        gone["sign_in"] = _forget_sign_in(user)
        APIKey.objects.filter(user=user).update(name="erased")
        user.email = f"{user.pk.hex}@{ERASED_DOMAIN}"
        user.name = ""
        user.organisation_role = OrganisationRole.NONE
        user.set_unusable_password()
        user.save()
        record_change(
            by, EventType.USER_CHANGED, "user", user.pk, fields=["email", "name", "password"]
        )


def _forget_sign_in(user: User) -> int:
    """Rows of installed packages that point to the person: addresses, second factors, log-ins."""
    rows = 0
    for model in apps.get_models():
        if model.__module__.startswith(("gateway.", "policies.", "frontend.")):
            continue
        for found in model._meta.local_fields:
            if isinstance(found, ForeignKey | OneToOneField) and found.related_model is User:
                count, _ = model._default_manager.filter(**{found.name: user}).delete()
                rows += count
    return rows
