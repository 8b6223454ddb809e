"""Who is cleared for what: the check under every rule, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.utils import timezone
from django.utils.translation import gettext as _

from frontend.badges import Badge, badge_for
from frontend.words import category_word, sensitivity_word
from gateway.accounts.models import Project
from gateway.deployments.models import Deployment
from policies.engine.labels import Sensitivity

LEVELS: Final = tuple(Sensitivity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One deployment. `cells`: whether it may have data of each sensitivity, the least first."""

    name: str
    detail: str
    badge: Badge
    cells: Sequence[tuple[str, bool]]
    categories: str
    evidence: str
    expired: bool
    off: bool


def matrix_of(project: Project | None) -> list[Line]:
    """The deployments that a project is granted, or (None) all of them. One query."""
    rows = Deployment.objects.filter(proposed=False)
    if project is not None:
        rows = rows.filter(grants__project=project)
    today = timezone.now().date()
    return [_line(row, today) for row in rows.order_by("name")]


def levels() -> list[str]:
    """The sensitivities, the least first, as people read them."""
    return [sensitivity_word(level.word) for level in LEVELS]


def _line(row: Deployment, today: date) -> Line:
    facts = row.facts()
    dates = [each.valid_until for each in facts.evidence if each.valid_until is not None]
    until = min(dates, default=None)
    expired = until is not None and until < today
    clearance = facts.clearance
    # Expired evidence leaves public data without any category.
    highest = Sensitivity.PUBLIC if expired else clearance.sensitivity
    categories = frozenset[str]() if expired else clearance.categories
    where = " · ".join(part for part in (row.vendor, row.region) if part)
    return Line(
        name=row.name,
        detail=f"{row.upstream_model} · {where}" if where else row.upstream_model,
        badge=badge_for(row.zone),
        cells=[
            (sensitivity_word(level.word), facts.enabled and level <= highest) for level in LEVELS
        ],
        categories=_("all")
        if categories is None
        else ", ".join(category_word(name) for name in sorted(categories)) or _("none"),
        evidence=_("none needed")
        if row.zone == "on_prem" and until is None
        else _dated(until, expired),
        expired=expired,
        off=not facts.enabled,
    )


def _dated(until: date | None, expired: bool) -> str:
    if until is None:
        return _("no date")
    words = _("expired %(day)s") if expired else _("until %(day)s")
    return words % {"day": f"{until:%Y-%m-%d}"}
