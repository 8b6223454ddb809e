"""The scan permit (semantic rule 10): which classifier may be shown a text that nobody has read.

INVARIANT: a scan permit lists one deployment, on_prem and cleared for the worst label, or none.
What a text is will only be known once it was scanned, so it counts as (restricted, all).
"""

from datetime import datetime

from policies.engine.facts import NOTHING_CLEARED, DeploymentFacts, Zone
from policies.engine.judge import is_cleared
from policies.engine.labels import Label
from policies.engine.permit import (
    LIFETIME,
    Candidate,
    Dropped,
    DropReason,
    Outcome,
    Permit,
)


def scan_permit(  # noqa: PLR0913 -- a permit has that many sides
    name: str,
    facts: DeploymentFacts | None,
    *,
    worst: Label,
    decision_id: str,
    digest: str,
    revision: str,
    now: datetime,
) -> Permit:
    """A permit to show the request of `digest` to the deployment `name`, or one that allows
    nothing and says why. `facts` None: whoever asks may not use it, or there is none."""
    dropped = _why_not(name, facts, worst, now)
    allowed = dropped is None
    return Permit(
        decision_id=decision_id,
        digest=digest,
        outcome=Outcome.ALLOWED if allowed else Outcome.DENIED,
        label=worst,
        revision=revision,
        candidates=(Candidate(name, Zone.ON_PREM, label=worst),) if allowed else (),
        dropped=() if dropped is None else (dropped,),
        rules=(),
        shadow=(),
        issued_at=now,
        expires_at=now + LIFETIME,
    )


def why_not_asked(
    name: str, facts: DeploymentFacts | None, *, worst: Label, now: datetime
) -> str | None:
    """Why this deployment may not be asked, in a sentence; None: it may."""
    dropped = _why_not(name, facts, worst, now)
    return None if dropped is None else dropped.detail


def _why_not(
    name: str, facts: DeploymentFacts | None, worst: Label, now: datetime
) -> Dropped | None:
    if facts is None or facts.name != name:
        detail = f"There is no deployment {name} that may be asked."
        # Where an unknown one is counts as the worst.
        return Dropped(name, Zone.CLOUD, DropReason.DISABLED, detail)
    if facts.zone is not Zone.ON_PREM:
        detail = f"{name} is in zone {facts.zone.value}: only what is on_prem may read unread text."
        return Dropped(name, facts.zone, DropReason.SENSITIVITY, detail)
    if not facts.enabled:
        return Dropped(name, facts.zone, DropReason.DISABLED, f"{name} is disabled.")
    limits = [each.valid_until for each in facts.evidence if each.valid_until is not None]
    if limits and now.date() > min(limits):
        clearance = NOTHING_CLEARED
        reason, detail = DropReason.EVIDENCE_EXPIRED, f"The evidence of {name} has expired."
    else:
        clearance = facts.clearance
        reason = DropReason.SENSITIVITY
        detail = f"{name} is not cleared for everything, as whoever reads unread text must be."
    if not is_cleared(worst, clearance):
        return Dropped(name, facts.zone, reason, detail)
    return None
