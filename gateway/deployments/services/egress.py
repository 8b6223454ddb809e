"""The one switch that stops everything that leaves on_prem, at once."""

from gateway.accounts.access import require_admin
from gateway.accounts.acting import Acting
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import Organisation
from gateway.audit.event_types import EventType


def stop_egress(*, by: Acting, reason: str = "") -> bool:
    """Stop it. Every process obeys within a second. Returns whether anything changed."""
    return _switch(by, stopped=True, reason=reason)


def resume_egress(*, by: Acting, reason: str = "") -> bool:
    """Let it leave again. Returns whether anything changed."""
    return _switch(by, stopped=False, reason=reason)


def egress_stopped() -> bool:
    """Whether it is stopped now. One query; a reader writes nothing."""
    return Organisation.objects.filter(pk=1, egress_stopped=True).exists()


def _switch(by: Acting, *, stopped: bool, reason: str) -> bool:
    require_admin(by)
    with changing():
        organisation = Organisation.load()
        if organisation.egress_stopped == stopped:
            return False
        organisation.egress_stopped = stopped
        organisation.save(update_fields=["egress_stopped"])
        record_change(
            by,
            EventType.EGRESS_STOPPED if stopped else EventType.EGRESS_RESUMED,
            "organisation",
            organisation.pk,
            reason=reason,
        )
    return True
