"""Telling whoever made a sheet that it stands still or has ended. Content-free: counts and an
address, no name of a file and no answer."""

import logging
import smtplib

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.urls import reverse

from gateway.accounts.models import User
from gateway.batches.sheets.models import Sheet

log = logging.getLogger(__name__)


def tell_later(sheet: Sheet) -> None:
    """Send the mail once the running transaction is committed. Never raises for the mail."""
    _, _, pk = sheet.actor.partition(":")
    person = User.objects.filter(pk=pk, is_active=True).first()
    if person is not None:
        transaction.on_commit(lambda: _send(sheet, person.email))


def _send(sheet: Sheet, address: str) -> None:
    subject = f"Sluice: batch {sheet.pk} is {sheet.get_status_display()}"
    text = (
        f"The batch {sheet.pk} of the project {sheet.project.slug} is "
        f"{sheet.get_status_display()}.\n\n"
        f"{sheet.completed} of {sheet.to_ask} rows were answered, {sheet.failed} failed.\n\n"
        f"{settings.PUBLIC_URL}{reverse('batch', args=[sheet.project.slug, sheet.pk])}\n"
    )
    try:
        send_mail(subject, text, None, [address])
    except (OSError, smtplib.SMTPException) as error:
        log.warning("no mail about %s: %s", sheet.pk, type(error).__name__)
