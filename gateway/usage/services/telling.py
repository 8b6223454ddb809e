"""Telling people and programs of a budget that reached a part of its amount, at least once.

INVARIANT: what is told names a budget, its project, amounts and whom it is for by id: nothing that
came from a request. While everything that leaves on-prem is stopped, only addresses within our
networks are told; the others wait.
"""

import json
import logging
import smtplib
import socket
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone

from gateway.audit.signing import KeyUnreadable
from gateway.audit.streaming.deliveries import egress_stopped, sender_of_now
from gateway.audit.streaming.destinations import Undelivered, parse
from gateway.audit.streaming.transports import Item
from gateway.inference.prices import usd
from gateway.providers.addresses import refusal
from gateway.usage.models import BudgetAlert
from policies.engine.facts import Zone

log = logging.getLogger(__name__)

# What could not be told by then is old news.
_GIVE_UP_AFTER: Final = timedelta(days=2)
_AT_ONCE: Final = 100


def tell() -> int:
    """Tell what nobody was told yet; how many alerts are done. Safe to run twice at once."""
    since = timezone.now() - _GIVE_UP_AFTER
    waiting = BudgetAlert.objects.filter(sent_at=None, at__gte=since).order_by("at")
    done = 0
    for alert in waiting.select_related("budget", "budget__project")[:_AT_ONCE]:
        try:
            _mail(alert)
            _post(alert)
        except (Undelivered, KeyUnreadable, smtplib.SMTPException, OSError) as error:
            reason = str(error) if isinstance(error, Undelivered) else type(error).__name__
            log.error("the alert of budget %s was not told: %s", alert.budget_id, reason)  # noqa: TRY400
            continue
        done += BudgetAlert.objects.filter(pk=alert.pk, sent_at=None).update(sent_at=timezone.now())
    return done


def facts_of(alert: BudgetAlert) -> dict[str, Any]:
    """What is told of an alert, as webhooks get it."""
    budget = alert.budget
    return {
        "type": "budget.reached",
        "at": alert.at.isoformat(),
        "budget": budget.name,
        "project": budget.project.slug if budget.project is not None else None,
        "scope": budget.scope,
        "subject": alert.subject,
        "period": budget.period,
        "window": alert.window,
        "percent": alert.percent,
        "spent_usd": format(usd(alert.spent_nano), "f"),
        "amount_usd": format(budget.amount_usd, "f"),
        "hard": budget.hard,
    }


def _post(alert: BudgetAlert) -> None:
    url = alert.budget.webhook
    if not url:
        return
    item = Item(at=alert.at, kind="budget", line=json.dumps(facts_of(alert)))
    sender_of_now().send(parse(url), [item])


def _mail(alert: BudgetAlert) -> None:
    budget = alert.budget
    if not budget.emails:
        return
    if not settings.EMAIL_HOST:
        raise Undelivered("no mail server is named: set SLUICE_EMAIL_URL")
    if egress_stopped() and not _within_our_networks(settings.EMAIL_HOST):
        raise Undelivered("everything that leaves on-prem is stopped (manage.py egress resume)")
    of = f"project {budget.project.slug}" if budget.project is not None else "the organisation"
    told = facts_of(alert)
    EmailMessage(
        subject=f"Budget {budget.name} of {of}: {alert.percent} % spent",
        body=(
            f"The budget {budget.name} of {of} reached {alert.percent} %.\n\n"
            f"Spent: {told['spent_usd']} USD of {told['amount_usd']} USD\n"
            f"Period: {budget.period} ({alert.window})\n"
            f"For: {alert.subject}\n"
            f"{_what_follows(alert)}\n\n{settings.PUBLIC_URL}\n"
        ),
        to=budget.emails,
    ).send()


def may_mail_now() -> bool:
    """Whether there is a mail server, and what leaves on-prem may go there now."""
    return bool(settings.EMAIL_HOST) and not (
        egress_stopped() and not _within_our_networks(settings.EMAIL_HOST)
    )


def _what_follows(alert: BudgetAlert) -> str:
    budget = alert.budget
    if not budget.hard:
        return "It warns; nothing is refused."
    if alert.percent < 100:
        return "It is hard: nothing is spent beyond it."
    if budget.at_end == "on_prem":
        return "It is spent: what costs nothing on-prem goes on, everything else is refused."
    return "It is spent: requests are refused until its next period."


def _within_our_networks(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return not any(
        refusal(
            str(entry[4][0]),
            zone=Zone.ON_PREM,
            networks=settings.ON_PREM_NETWORKS,
            allow_private=True,
        )
        for entry in found
    )
