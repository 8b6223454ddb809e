"""The last look before bytes leave: does this call match its permit?

Every adapter asks here first. It is the second lock: the request path has already taken the
destination from the permit, and a call that fails here is a defect of ours.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from gateway.providers.calls import Call, PermitViolation
from policies.engine.permit import Outcome

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def check_permit(call: Call, *, now: datetime) -> None:
    """Raise PermitViolation unless the permit lists the call's destination and still holds."""
    permit, destination = call.permit, call.destination
    where = f"decision {permit.decision_id}, deployment {destination.deployment}"
    if permit.outcome is not Outcome.ALLOWED or not permit.allowed:
        raise PermitViolation(f"{where}: the permit allows nothing")
    if now >= permit.expires_at:
        raise PermitViolation(f"{where}: the permit has expired and must be decided again")
    for candidate in permit.candidates:
        if candidate.deployment == destination.deployment:
            if candidate.zone is not destination.zone:
                break
            return
    else:
        raise PermitViolation(f"{where}: the permit does not list it")
    raise PermitViolation(
        f"{where}: the permit says zone {candidate.zone.value}, "
        f"the destination says {destination.zone.value}"
    )
