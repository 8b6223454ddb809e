"""How a deployment does, in a word and an icon: what is configured, and what came of it lately."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from django.conf import settings
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from frontend.badges import Badge, badge_for
from frontend.words import category_word, sensitivity_word
from gateway import runtime
from gateway.audit.serving import Served, served_since
from gateway.deployments.models import Deployment
from gateway.protocol.errors import GatewayError
from gateway.usage.loads import loads_now
from policies.engine.facts import DeploymentFacts

LATELY: Final = timedelta(hours=1)
SOON: Final = timedelta(days=30)


class State(StrEnum):
    """The value is a CSS class; the icon goes with it."""

    HEALTHY = "healthy"
    QUIET = "quiet"
    FAILING = "failing"
    OFF = "off"
    PROPOSED = "proposed"

    @property
    def word(self) -> Promise:
        """What people read."""
        return _WORDS[self]

    @property
    def icon(self) -> str:
        """Never colour alone."""
        return _ICONS[self]


_WORDS: Final[Mapping[State, Promise]] = {
    State.HEALTHY: gettext_lazy("healthy"),
    State.QUIET: gettext_lazy("on"),
    State.FAILING: gettext_lazy("failing"),
    State.OFF: gettext_lazy("off"),
    State.PROPOSED: gettext_lazy("proposed"),
}
_ICONS: Final[Mapping[State, str]] = {
    State.HEALTHY: "well",
    State.QUIET: "hourglass",
    State.FAILING: "notice",
    State.OFF: "unseen",
    State.PROPOSED: "choice",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One deployment, as lists show it."""

    name: str
    detail: str
    badge: Badge
    state: State
    note: str  # what there is to know beside the state
    load: int | None  # requests under way, in every process; None: not known
    first_byte: str  # "0.4 s", or empty
    failed: str  # "3 % of 120", or empty
    clearance: str
    evidence: str
    expired: bool


def lines_of(rows: Iterable[Deployment]) -> list[Line]:
    """In the order given. Two queries, for what they served in the last hour, and the store."""
    lately = served_since(timezone.now() - LATELY)
    today = timezone.now().date()
    loads = loads_now(settings.REDIS_URL)
    return [
        _line(
            row, lately.get(row.name, Served()), today, None if loads is None else loads[row.name]
        )
        for row in rows
    ]


def clearance_sentence(facts: DeploymentFacts) -> str:
    """`up to internal: source code`."""
    level = sensitivity_word(facts.clearance.sensitivity.word)
    categories = facts.clearance.categories
    if categories is None:
        return _("up to %(level)s, all kinds") % {"level": level}
    if not categories:
        return _("up to %(level)s, no kind") % {"level": level}
    kinds = ", ".join(category_word(name) for name in sorted(categories))
    return _("up to %(level)s: %(kinds)s") % {"level": level, "kinds": kinds}


def falls_on(facts: DeploymentFacts) -> date | None:
    """The day after which the clearance falls to public; None: on none."""
    dates = [each.valid_until for each in facts.evidence if each.valid_until is not None]
    return min(dates, default=None)


def evidence_words(facts: DeploymentFacts, today: date) -> tuple[str, bool]:
    """What is known of the evidence, and whether it expired."""
    until = falls_on(facts)
    if until is None:
        if facts.zone == "on_prem":
            return _("none needed"), False
        return (_("no end") if facts.evidence else _("none")), False
    day = f"{until:%Y-%m-%d}"
    if until < today:
        return _("expired %(day)s") % {"day": day}, True
    return _("until %(day)s") % {"day": day}, False


def _goes_last(name: str) -> bool:
    """Whether it goes last for failing, as this process knows."""
    try:
        gateway = runtime.gateway()
    except GatewayError:
        return False
    return gateway.router.state(name, now_s=gateway.monotonic())[1]


def _line(row: Deployment, served: Served, today: date, load: int | None) -> Line:
    facts = row.facts()
    evidence, expired = evidence_words(facts, today)
    state = _state(row, served, _goes_last(row.name))
    where = " · ".join(part for part in (row.vendor, row.region) if part)
    return Line(
        name=row.name,
        detail=f"{row.upstream_model} · {where}" if where else row.upstream_model,
        badge=badge_for(row.zone),
        state=state,
        note=_note(facts, served, state, evidence, today),
        load=load,
        first_byte=_seconds(served.first_byte_s),
        failed=_("%(percent)d %% of %(all)d")
        % {"percent": served.failed_percent, "all": served.attempts}
        if served.attempts
        else "",
        clearance=clearance_sentence(facts),
        evidence=evidence,
        expired=expired,
    )


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    if value < 0.05:
        return _("under 0.1 s")
    return _("%(seconds)s s") % {"seconds": f"{value:.1f}"}


def _state(row: Deployment, served: Served, paused: bool) -> State:
    if row.proposed:
        return State.PROPOSED
    if not row.enabled:
        return State.OFF
    if paused or (served.attempts and served.last != "ok" and served.failed_percent >= 50):
        return State.FAILING
    return State.HEALTHY if served.last == "ok" else State.QUIET


def _note(facts: DeploymentFacts, served: Served, state: State, evidence: str, today: date) -> str:
    if state is State.PROPOSED:
        return _("waits for you to say what may go there")
    until = falls_on(facts)
    if until is not None and until < today:
        return _("evidence %(when)s: public only") % {"when": evidence}
    if state is State.FAILING:
        return _("%(code)s, last") % {"code": served.last} if served.last else _("fails")
    if until is not None and until <= today + SOON:
        return _("evidence %(when)s") % {"when": evidence}
    if state is State.QUIET:
        return _("not asked in the last hour")
    return ""
