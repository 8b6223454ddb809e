"""How deliveries go: remembered per destination, said in the log, never silent."""

import logging

from django.conf import settings
from django.utils import timezone

from gateway.audit.event_types import EventType
from gateway.audit.models import AuditEvent
from gateway.audit.sealing_models import Delivery
from gateway.audit.signing import signing_key
from gateway.audit.streaming.destinations import Destination
from gateway.audit.streaming.transports import Sender

log = logging.getLogger(__name__)

ANCHOR = "anchor"
STREAM = "stream"


def delivery_to(to: Destination, purpose: str) -> Delivery:
    """The row of a destination, made on first use."""
    defaults = {"purpose": purpose, "label": to.label}
    return Delivery.objects.get_or_create(pk=to.id(purpose), defaults=defaults)[0]


def succeeded(delivery: Delivery) -> None:
    """Something arrived."""
    if delivery.failures:
        log.warning("audit %s %s works again", delivery.purpose, delivery.label)
    delivery.failures = 0
    delivery.failing_since = None
    delivery.last_error = ""
    delivery.delivered_at = timezone.now()
    delivery.save()


def failed(delivery: Delivery, why: str) -> None:
    """It did not; it is tried again with the next turn."""
    log.error("audit %s %s: not delivered: %s", delivery.purpose, delivery.label, why)
    delivery.failures += 1
    delivery.failing_since = delivery.failing_since or timezone.now()
    delivery.last_error = why
    delivery.save(update_fields=["failures", "failing_since", "last_error"])


def egress_stopped() -> bool:
    """Whether the switch for everything that leaves on-prem is off. One query."""
    switches = (EventType.EGRESS_STOPPED, EventType.EGRESS_RESUMED)
    last = AuditEvent.objects.filter(type__in=switches).order_by("-seq").first()
    return last is not None and last.type == EventType.EGRESS_STOPPED


def sender_of_now() -> Sender:
    """What sending needs, as things stand. Raises KeyUnreadable."""
    return Sender(
        key=signing_key(settings.AUDIT_KEY_FILE),
        networks=settings.ON_PREM_NETWORKS,
        may_leave=not egress_stopped(),
    )
