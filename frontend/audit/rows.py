"""What the audit's pages say of a request. Content-free: the rows hold classes and counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from frontend.badges import Badge, badge_for
from frontend.words import category_word, found_word, sensitivity_word
from gateway.accounts.models import ServiceAccount, User
from gateway.audit.models import OutcomeState, RequestRecord

CHANNELS: Final[dict[str, Promise]] = {
    "api": gettext_lazy("API"),
    "chat": gettext_lazy("chat"),
    "batch": gettext_lazy("batch"),
}
_NANO: Final = Decimal(10) ** 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the list."""

    record: RequestRecord
    at: datetime
    who: str
    through: str
    project: str
    asked: str
    served: str
    badge: Badge | None  # None: how it ended is not known
    sensitivity: str
    found: str
    rules: str
    tokens: int | None
    cost: str


def rows_of(records: Iterable[RequestRecord]) -> list[Row]:
    """The lines of a page. Two queries, for the names of people and programs."""
    records = list(records)
    names = names_of(name for record in records for name in (record.actor, record.on_behalf_of))
    return [_row(record, names) for record in records]


def names_of(actors: Iterable[str]) -> dict[str, str]:
    """Whom `user:<uuid>` and `service_account:<uuid>` mean, as far as that is still known."""
    wanted: dict[str, set[UUID]] = {"user": set(), "service_account": set()}
    for actor in actors:
        kind, _colon, key = actor.partition(":")
        if kind in wanted:
            try:
                wanted[kind].add(UUID(key))
            except ValueError:
                continue
    people = User.objects.filter(pk__in=wanted["user"]).only("pk", "name", "email")
    programs = ServiceAccount.objects.filter(pk__in=wanted["service_account"]).only("pk", "name")
    return {f"user:{each.pk}": str(each) for each in people} | {
        f"service_account:{each.pk}": each.name for each in programs
    }


def name_of(actor: str, names: Mapping[str, str]) -> str:
    """A person or program; one that is not known any more keeps the start of its number."""
    kind, _colon, key = actor.partition(":")
    if kind == "system":
        return _("Sluice (%(part)s)") % {"part": key}
    return names.get(actor) or (f"{kind.replace('_', ' ')} {key[:8]}" if key else "")


def badge_of(record: RequestRecord) -> Badge | None:
    """Where it went; None: it was allowed and its end is not known."""
    if record.decision != "allowed":
        return Badge.BLOCKED
    if record.zone:
        return badge_for(record.zone, masked=record.masked)
    return Badge.BLOCKED if record.outcome_state == OutcomeState.KNOWN else None


def cost_of(record: RequestRecord) -> str:
    """In dollars, as exact as it is known; empty: nothing was answered or no price is known."""
    nano = record.cost_nano
    if nano is None:
        return ""
    cost = Decimal(nano) / _NANO
    return f"{cost:.2f}" if not cost or cost >= 1 else f"{cost:.6f}".rstrip("0")


def _row(record: RequestRecord, names: Mapping[str, str]) -> Row:
    found = [found_word(name, count) for name, count in sorted(record.classes.items())]
    if record.opaque:
        found.append(_("unreadable parts"))
    tokens = (record.prompt_tokens, record.completion_tokens)
    through = str(CHANNELS.get(record.channel, record.channel))
    if record.key_prefix:
        through = f"{through} · {record.key_prefix}…"
    return Row(
        record=record,
        at=record.at,
        who=name_of(record.actor, names),
        through=through,
        project=record.project,
        asked=record.alias,
        served=record.deployment,
        badge=badge_of(record),
        sensitivity=sensitivity_word(record.sensitivity),
        found=", ".join(found),
        rules=", ".join(_rule(rule) for rule in record.rules),
        tokens=None if tokens == (None, None) else sum(each or 0 for each in tokens),
        cost=cost_of(record),
    )


def _rule(name: str) -> str:
    scope, _colon, rule = name.partition(":")
    return f"{rule} (O)" if scope == "organisation" else rule


def label_words(record: RequestRecord) -> list[str]:
    """Sensitivity and categories, as people read them."""
    return [
        sensitivity_word(record.sensitivity),
        *(category_word(name) for name in record.categories),
    ]
