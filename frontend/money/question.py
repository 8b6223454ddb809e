"""The filters of the usage page: read from the address, which can therefore be kept and sent on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from frontend.audit.conditions import ZONES, Choice, Filter
from gateway.usage.services.reports import By, Question

DEFAULT_DAYS: Final = 30
MOST_DAYS: Final = 731
# What the table below the plot is summed by.
DIMENSIONS: Final[Mapping[str, str | Promise]] = {
    "project": gettext_lazy("Project"),
    "person": gettext_lazy("Person"),
    "model": gettext_lazy("Model"),
    "deployment": gettext_lazy("Deployment"),
    "zone": gettext_lazy("Zone"),
    "key": gettext_lazy("API key"),
    "channel": gettext_lazy("Way"),
    "day": gettext_lazy("Day"),
}
MEASURES: Final[Mapping[str, str | Promise]] = {
    "cost": gettext_lazy("Cost"),
    "tokens": gettext_lazy("Tokens"),
    "requests": gettext_lazy("Requests"),
}
_FILTERS: Final = ("project", "person", "key", "model", "deployment", "zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address asks for. `values`: the filters given, by name."""

    first: date
    last: date
    by: By
    measure: str
    values: Mapping[str, str]

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "Asked":
        """From a query string. Raises ValidationError for days and words that are none."""
        today = timezone.now().date()
        last = _day(given.get("last", "")) or today
        first = _day(given.get("first", "")) or last - timedelta(days=DEFAULT_DAYS - 1)
        if first > last:
            raise ValidationError(_("The first day is after the last."))
        if (last - first).days >= MOST_DAYS:
            raise ValidationError(_("Ask for two years at most."))
        by, measure = given.get("by", "") or "project", given.get("measure", "")
        if by not in DIMENSIONS or measure not in {"", *MEASURES}:
            raise ValidationError(_("There is no such sum."))
        if given.get("zone", "") not in ZONES:
            raise ValidationError(_("There is no such zone."))
        values = {name: given.get(name, "").strip()[:100] for name in _FILTERS}
        return cls(first=first, last=last, by=By(by), measure=measure, values=values)

    def question(self, *by: By) -> Question:
        """As the service takes it."""
        return Question(first=self.first, last=self.last, by=by, **self.values)

    def query(self, **other: str) -> str:
        """The query string of the same, with some of it otherwise."""
        given = {"first": f"{self.first}", "last": f"{self.last}", "by": self.by.value}
        given |= {"measure": self.measure, **self.values, **other}
        return urlencode({name: value for name, value in given.items() if value})

    def filters(self, known: Mapping[str, Mapping[str, str]]) -> list[Filter]:
        """The controls. `known`: for each filter the values that there are, and their words."""
        zones = {name: str(word) for name, word in ZONES.items()}
        every = {
            "project": _("Every project"),
            "person": _("Everybody"),
            "model": _("Every model"),
            "deployment": _("Every deployment"),
        }
        shown = [
            Filter("first", _("From"), f"{self.first}", kind="date"),
            Filter("last", _("To"), f"{self.last}", kind="date"),
        ]
        shown += [
            self._chosen(name, str(DIMENSIONS[name]), {"": word, **known.get(name, {})})
            for name, word in every.items()
        ]
        by = {name: str(word) for name, word in DIMENSIONS.items()}
        return [
            *shown,
            self._chosen("zone", _("Zone"), zones),
            _select("by", _("Summed by"), by, self.by.value),
        ]

    def _chosen(self, name: str, word: str, choices: Mapping[str, str]) -> Filter:
        return _select(name, word, choices, self.values[name])


def _select(name: str, word: str, choices: Mapping[str, str], value: str) -> Filter:
    if value not in choices:
        choices = {**choices, value: value}
    options: Sequence[Choice] = [
        Choice(each, said, each == value) for each, said in choices.items()
    ]
    return Filter(name, word, value, options, kind="select")


def _day(written: str) -> date | None:
    if not written:
        return None
    try:
        day = parse_date(written)
    except ValueError:
        day = None
    if day is None:
        raise ValidationError(
            _("%(day)s is no date: write 2026-11-30."), params={"day": written[:40]}
        )
    return day
