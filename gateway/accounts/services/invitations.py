"""Invitations: a link that lets one person in, once, until it expires or is revoked.

The secret exists once, in the value that `invite` returns; its SHA-256 digest is stored.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import validate_email
from django.db.models import Q, QuerySet
from django.utils import timezone

from gateway.accounts.access import may_act, require_act
from gateway.accounts.acting import Acting, System
from gateway.accounts.changes import changing, record_change
from gateway.accounts.entry_models import Invitation
from gateway.accounts.models import Membership, Project, User, normalise_email
from gateway.accounts.roles import Act, OrganisationRole, Role
from gateway.accounts.services.people import change_user_role, create_user
from gateway.accounts.services.projects import add_member
from gateway.audit.event_types import EventType

LONGEST: Final = timedelta(days=30)
BY: Final = System("invitation")


class NoSuchInvitation(Exception):
    """The link lets nobody in: it never did, was used, revoked, or has expired."""


@dataclass(frozen=True, slots=True)
class Invited:
    """A new invitation and its secret, which is shown once and stored nowhere."""

    invitation: Invitation
    secret: str = field(repr=False)


def invite(  # noqa: PLR0913 -- an invitation says that much
    *,
    by: Acting,
    email: str,
    project: Project | None = None,
    role: Role = Role.MEMBER,
    organisation_role: OrganisationRole = OrganisationRole.NONE,
    valid_for: timedelta = timedelta(days=7),
    way: str = "link",
) -> Invited:
    """Invite the person with this address, to `project` with `role` where it is given.

    Owners invite to their project; only admins without one, or with a role in the organisation.
    Raises PermissionDenied, ValidationError.
    """
    if project is None or organisation_role is not OrganisationRole.NONE:
        require_act(by, Act.INVITE_PEOPLE)
    if project is not None:
        require_act(by, Act.INVITE_MEMBERS, project)
    email = normalise_email(email)
    validate_email(email)
    if not timedelta(minutes=1) <= valid_for <= LONGEST:
        raise ValidationError(f"An invitation is valid for up to {LONGEST.days} days.")
    secret = secrets.token_urlsafe(32)
    with changing():
        person = User.objects.filter(email=email).first()
        if person is not None and (
            project is None or Membership.objects.filter(project=project, user=person).exists()
        ):
            raise ValidationError("Whoever has this address is here already.")
        invitation = Invitation.objects.create(
            digest=_digest(secret),
            email=email,
            project=project,
            role=role,
            organisation_role=organisation_role,
            invited_by=by if isinstance(by, User) else None,
            expires_at=timezone.now() + valid_for,
        )
        record_change(
            by,
            EventType.INVITATION_CREATED,
            "invitation",
            invitation.pk,
            project=project.slug if project else "",
            role=role.value if project else "",
            organisation_role=organisation_role.value,
            expires_at=invitation.expires_at.isoformat(),
            way=way,
        )
    return Invited(invitation, secret)


def revoke_invitation(*, by: Acting, invitation: Invitation) -> None:
    """From now on the link lets nobody in. Whoever may invite so may revoke."""
    _require_over(by, invitation)
    with changing():
        if not _open().filter(pk=invitation.pk).update(revoked_at=timezone.now()):
            return
        record_change(
            by,
            EventType.INVITATION_REVOKED,
            "invitation",
            invitation.pk,
            project=invitation.project.slug if invitation.project else "",
        )


def open_invitations(user: User, project: Project | None = None) -> QuerySet[Invitation]:
    """What still lets somebody in, of `project` or of all, as far as `user` may see it."""
    found = _open().select_related("project", "invited_by")
    if project is not None:
        allowed = may_act(user, Act.INVITE_MEMBERS, project)
        return found.filter(project=project) if allowed else found.none()
    return found if may_act(user, Act.INVITE_PEOPLE) else found.none()


def invitation_of(secret: str) -> Invitation:
    """The open invitation with this secret. Raises NoSuchInvitation."""
    found = _open().select_related("project", "invited_by").filter(digest=_digest(secret)).first()
    if found is None or not _still_meant(found):
        raise NoSuchInvitation
    return found


def accept_as_new(*, secret: str, name: str, password: str) -> User:
    """Make the account that the invitation is for. Raises NoSuchInvitation, ValidationError.

    Where there is an account with the address already, its owner signs in and accepts.
    """
    with changing():
        invitation = _spend(secret)
        if User.objects.filter(email=invitation.email).exists():
            raise ValidationError("There is an account with this address: sign in to accept.")
        validate_password(password, User(email=invitation.email, name=name))
        user = create_user(
            by=BY,
            email=invitation.email,
            name=name,
            password=password,
            role=OrganisationRole(invitation.organisation_role),
        )
        _join(invitation, user)
    return user


def accept(*, by: User, secret: str) -> Invitation:
    """Accept as somebody who has an account: the one whose address was invited.

    Raises NoSuchInvitation, PermissionDenied (it is somebody else's).
    """
    with changing():
        invitation = _spend(secret)
        if invitation.email != by.email or not by.is_active:
            raise PermissionDenied("This invitation is for somebody else.")
        role = OrganisationRole(invitation.organisation_role)
        if role is not OrganisationRole.NONE and by.organisation_role == OrganisationRole.NONE:
            change_user_role(by=BY, user=by, role=role)
        _join(invitation, by)
    return invitation


def _spend(secret: str) -> Invitation:
    """Take the invitation, once: of two who come at the same moment one finds it spent."""
    invitation = invitation_of(secret)
    if not _open().filter(pk=invitation.pk).update(accepted_at=timezone.now()):
        raise NoSuchInvitation
    return invitation


def _join(invitation: Invitation, user: User) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(accepted_by=user)
    project = invitation.project
    if project is not None and not Membership.objects.filter(project=project, user=user).exists():
        add_member(by=BY, project=project, user=user, role=Role(invitation.role))
    record_change(
        user,
        EventType.INVITATION_ACCEPTED,
        "invitation",
        invitation.pk,
        project=project.slug if project else "",
        user=str(user.pk),
        role=invitation.role if project else "",
    )


def _still_meant(invitation: Invitation) -> bool:
    """An invitation is worth what its author may still do: none of somebody who lost the right."""
    if invitation.project is not None and invitation.project.archived:
        return False
    author = invitation.invited_by
    return author is None or _may_over(author, invitation)


def _may_over(by: Acting, invitation: Invitation) -> bool:
    if invitation.project is None or invitation.organisation_role != OrganisationRole.NONE:
        return may_act(by, Act.INVITE_PEOPLE)
    return may_act(by, Act.INVITE_MEMBERS, invitation.project)


def _require_over(by: Acting, invitation: Invitation) -> None:
    if not (_may_over(by, invitation) or may_act(by, Act.INVITE_PEOPLE)):
        raise PermissionDenied("Whoever may invite so may revoke.")


def _open() -> QuerySet[Invitation]:
    return Invitation.objects.filter(
        Q(expires_at__gt=timezone.now()), revoked_at=None, accepted_at=None
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
