"""Brings every head to where the operator keeps heads: a file elsewhere, syslog, a webhook.

A head that an anchor has cannot be replaced without that being seen. Each anchor gets every head
at least once and in order; one that fails is said in the log and in `audit status`, and gets what
it lacks as soon as it works again.
"""

from pathlib import Path
from typing import Final

from django.conf import settings

from gateway.audit.pages import ROWS
from gateway.audit.sealing import head_line
from gateway.audit.sealing_models import SignedHead
from gateway.audit.streaming.deliveries import (
    ANCHOR,
    delivery_to,
    failed,
    sender_of_now,
    succeeded,
)
from gateway.audit.streaming.destinations import Destination, Kind, Undelivered, parse
from gateway.audit.streaming.transports import Item, Sender

HEADS_PER_SENDING: Final = 100
# What syslog receivers must take (RFC 5425, 4.3.1) is 2,048 bytes; most take 8,192. A head whose
# list of chains is longer is anchored by its signed text alone, which commits to the list.
SYSLOG_LINE_BYTES: Final = 6_000


def anchors() -> list[Destination]:
    """As settings name them. Raises ValueError (the system check says it before)."""
    return [parse(url) for url in settings.AUDIT_ANCHORS]


def anchor_heads() -> bool:
    """Bring every anchor up to the newest head; whether all have it now.

    Raises KeyUnreadable, DatabaseError. A failing anchor does not keep the others waiting longer
    than its time-out.
    """
    sender = sender_of_now()
    return all([_bring_up(to, sender) for to in anchors()])


def _bring_up(to: Destination, sender: Sender) -> bool:
    delivery = delivery_to(to, ANCHOR)
    if to.kind is Kind.FILE and delivery.last_head and _is_gone(Path(to.path)):
        failed(delivery, "the file is gone; all heads are written there anew")
        delivery.last_head = 0
    for _ in range(ROWS):
        heads = SignedHead.objects.filter(number__gt=delivery.last_head).order_by("number")
        page = list(heads[:HEADS_PER_SENDING])
        if not page:
            return True
        try:
            sender.send(to, [_item(head, to.kind) for head in page])
        except Undelivered as undelivered:
            failed(delivery, str(undelivered))
            return False
        delivery.last_head = page[-1].number
        succeeded(delivery)
    return False


def _is_gone(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:  # writing there will say why
        return False
    return False


def _item(head: SignedHead, kind: Kind) -> Item:
    line = head_line(head)
    if kind is Kind.SYSLOG and len(line) > SYSLOG_LINE_BYTES:
        line = head_line(head, with_chains=False)
    return Item(at=head.at, kind="head", line=line)
