"""The filters of the audit: read from the address, which can therefore be kept and sent on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from frontend.words import CATEGORIES, class_word
from gateway.accounts.models import Project, User, normalise_email
from gateway.audit.search import Search
from policies.classification.recognizers import DATA_CLASSES

# How far back, in hours; empty: for ever.
SPANS: Final[dict[str, Promise]] = {
    "1": _("Last hour"),
    "24": _("Last 24 hours"),
    "168": _("Last 7 days"),
    "720": _("Last 30 days"),
    "": _("Ever"),
}
ZONES: Final[dict[str, Promise]] = {
    "": _("Every zone"),
    "on_prem": _("On-prem"),
    "private_cloud": _("Private cloud"),
    "cloud": _("Cloud"),
}
DECISIONS: Final[dict[str, Promise]] = {
    "": _("Any outcome"),
    "allowed": _("Allowed"),
    "denied": _("Denied by policy"),
    "refused": _("Refused by a limit"),
    "unknown_alias": _("No such model"),
}
DEFAULT_SPAN: Final = "168"
NAMES: Final = (
    *("who", "project", "zone", "deployment", "category", "class", "decision"),
    *("span", "since", "until"),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a filter."""

    value: str
    word: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter with its options; without options it is typed."""

    name: str
    word: str | Promise
    value: str
    choices: Sequence[Choice] = ()
    kind: str = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the address asks for, as words. `values`: those given, by name."""

    values: Mapping[str, str]

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "Conditions":
        """From a query string; names that are no filter are left out."""
        values = {name: given.get(name, "").strip()[:200] for name in NAMES}
        if "span" not in given and not values["since"] and not values["until"]:
            values["span"] = DEFAULT_SPAN
        return cls(values=values)

    def query(self, **more: str) -> str:
        """The query string that asks for the same again."""
        given = {name: value for name, value in self.values.items() if value or name == "span"}
        return urlencode({**given, **more})

    def search(self) -> Search:
        """As the service takes it. One query for a person. Raises ValidationError."""
        values = self.values
        since, until = _day(values["since"]), _day(values["until"])
        if until is not None:
            until += timedelta(days=1)
        if values["span"] and since is None and until is None:
            since = timezone.now() - timedelta(hours=_hours(values["span"]))
        for name, known in (("zone", ZONES), ("decision", DECISIONS)):
            if values[name] not in known:
                raise ValidationError(_("There is no such %(name)s."), params={"name": name})
        return Search(
            projects=(values["project"],) if values["project"] else (),
            actor=_actor(values["who"]) if values["who"] else "",
            zone=values["zone"],
            deployment=values["deployment"],
            data_class=values["class"],
            category=values["category"],
            decision=values["decision"],
            since=since,
            until=until,
        )

    def filters(self, projects: Sequence[Project]) -> list[Filter]:
        """The controls, as they stand."""
        values = self.values
        named: dict[str, str | Promise] = {"": _("Every project")}
        named |= {each.slug: each.name for each in projects}
        categories = {"": _("Every category"), **CATEGORIES}
        classes: dict[str, str | Promise] = {"": _("Anything"), **_classes()}
        return [
            Filter("who", _("Who (e-mail address)"), values["who"], kind="search"),
            _chosen("project", _("Project"), named, values["project"]),
            _chosen("zone", _("Zone"), ZONES, values["zone"]),
            # Typed, not chosen: who audits one project is not told of every deployment there is.
            Filter("deployment", _("Deployment"), values["deployment"], kind="search"),
            _chosen("category", _("Category"), categories, values["category"]),
            _chosen("class", _("Found"), classes, values["class"]),
            _chosen("decision", _("Outcome"), DECISIONS, values["decision"]),
            _chosen("span", _("Time"), SPANS, values["span"]),
            Filter("since", _("From"), values["since"], kind="date"),
            Filter("until", _("To"), values["until"], kind="date"),
        ]


def _chosen(
    name: str, word: str | Promise, choices: Mapping[str, str | Promise], value: str
) -> Filter:
    if value not in choices:
        choices = {**choices, value: value}
    options = [Choice(each, str(said), each == value) for each, said in choices.items()]
    return Filter(name, word, value, options, kind="select")


def _classes() -> dict[str, str]:
    """Shipped data classes by their words; others can be asked for in the address."""
    named = ((name, class_word(name)) for name in DATA_CLASSES)
    return dict(sorted(named, key=lambda each: each[1].casefold()))


def _hours(span: str) -> int:
    if span not in SPANS:
        raise ValidationError(_("There is no such time."))
    return int(span)


def _day(written: str) -> datetime | None:
    if not written:
        return None
    try:
        day = parse_date(written)
    except ValueError:
        day = None
    if day is None:
        raise ValidationError(_("%(day)s is no date: write 2026-11-30."), params={"day": written})
    return timezone.make_aware(datetime(day.year, day.month, day.day))  # noqa: DTZ001 -- made so


def _actor(who: str) -> str:
    if ":" in who:
        return who  # as the rows name it: user:<uuid>, service_account:<uuid>
    person = User.objects.filter(email=normalise_email(who)).only("pk").first()
    if person is None:
        raise ValidationError(
            _("Nobody has the e-mail address %(who)s. Programs are found by their row."),
            params={"who": who},
        )
    return f"user:{person.pk}"
