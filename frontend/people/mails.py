"""Mails that pages send: an invitation's link. While everything that leaves on-prem is stopped,
only a mail server within our networks is used."""

import logging
import smtplib

from django.core.mail import EmailMessage
from django.utils.translation import gettext as _

from gateway.accounts.entry_models import Invitation
from gateway.usage.services.telling import may_mail_now

log = logging.getLogger(__name__)


def send_invitation(invitation: Invitation, link: str) -> bool:
    """Mail the link. False: there is no mail server, or it did not take it; show the link then."""
    if not may_mail_now():
        return False
    where = invitation.project.name if invitation.project else "Sluice"
    body = _(
        "You are invited to %(where)s.\n\n%(link)s\n\nThe link works once, until %(until)s UTC.\n"
    ) % {
        "where": where,
        "link": link,
        "until": invitation.expires_at.strftime("%Y-%m-%d %H:%M"),
    }
    mail = EmailMessage(
        subject=_("An invitation to %(where)s") % {"where": where}, body=body, to=[invitation.email]
    )
    try:
        mail.send()
    except (smtplib.SMTPException, OSError) as error:
        log.error("an invitation was not mailed: %s", type(error).__name__)  # noqa: TRY400
        return False
    return True
