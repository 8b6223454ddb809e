"""Second factors: one's own, and taking that of somebody who lost it."""

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.core.exceptions import ValidationError

from gateway.accounts.access import require_act
from gateway.accounts.acting import Acting
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import User
from gateway.accounts.roles import Act
from gateway.accounts.second_factor import has_one, required_of
from gateway.accounts.services.sessions import end_all_sessions, end_other_sessions
from gateway.audit.event_types import EventType


def add_second_factor(*, by: User, secret: str, code: str, session: str) -> list[str]:
    """Set up the authenticator app whose `secret` made `code`, which was checked and is spent.

    Returns the recovery codes, which are shown once. Sessions but `session` end: they began
    without it. Raises ValidationError when there is one already.
    """
    with changing():
        if has_one(by):
            raise ValidationError("There is a second factor already: remove that one first.")
        TOTP.activate(by, secret).validate_code(code)
        Authenticator.objects.filter(user=by, type=Authenticator.Type.RECOVERY_CODES).delete()
        codes: list[str] = RecoveryCodes.activate(by).generate_codes()
        record_change(by, EventType.SECOND_FACTOR_ADDED, "user", by.pk, kind="totp")
        end_other_sessions(by=by, keep=session)
    return codes


def renew_recovery_codes(*, by: User) -> list[str]:
    """New recovery codes; the old ones are spent. Raises ValidationError without a factor."""
    with changing():
        if not has_one(by):
            raise ValidationError("Set up a second factor first.")
        Authenticator.objects.filter(user=by, type=Authenticator.Type.RECOVERY_CODES).delete()
        codes: list[str] = RecoveryCodes.activate(by).generate_codes()
        record_change(by, EventType.SECOND_FACTOR_ADDED, "user", by.pk, kind="recovery_codes")
    return codes


def unused_recovery_codes(user: User) -> int:
    """How many are left. One query."""
    row = Authenticator.objects.filter(user=user, type=Authenticator.Type.RECOVERY_CODES).first()
    return len(row.wrap().get_unused_codes()) if row is not None else 0


def drop_second_factor(*, by: User) -> None:
    """Do without one's own. Raises ValidationError where the person's role needs one."""
    if required_of(by):
        raise ValidationError("Your role needs a second factor.")
    with changing():
        removed, _ = Authenticator.objects.filter(user=by).delete()
        if removed:
            record_change(by, EventType.SECOND_FACTOR_REMOVED, "user", by.pk, kind="own")


def remove_second_factor(*, by: Acting, user: User) -> None:
    """Take a person's second factor and recovery codes away: the telephone is lost. Admins only.

    Their sessions end. Where one is required, the next login leads to setting it up again.
    """
    require_act(by, Act.CHANGE_PEOPLE)
    with changing():
        removed, _ = Authenticator.objects.filter(user=user).delete()
        if not removed:
            return
        record_change(by, EventType.SECOND_FACTOR_REMOVED, "user", user.pk, kind="by_admin")
        end_all_sessions(by, user, reason="second_factor_removed")
