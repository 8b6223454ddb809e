"""What the day's sums look like on the page: tiles, bars by the hour, masked classes, refusals."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from frontend.audit.steps import REASONS
from frontend.badges import Badge
from frontend.words import class_word
from gateway.audit.days import Day, Fate, Refused

HEIGHT: Final = 100  # of the drawing; its bars are parts of it
BAR: Final = 0.62  # of an hour's width
MOST_LINES: Final = 6
# From the bottom up, as they stand in a bar.
STACK: Final = (Fate.STAYED, Fate.PRIVATE, Fate.CLOUD, Fate.MASKED, Fate.BLOCKED)
_WORDS: Final[dict[Fate, Promise]] = {
    Fate.STAYED: gettext_lazy("stayed inside"),
    Fate.PRIVATE: gettext_lazy("left, to a private cloud"),
    Fate.CLOUD: gettext_lazy("left as they are"),
    Fate.MASKED: gettext_lazy("left, parts masked"),
    Fate.BLOCKED: gettext_lazy("went nowhere"),
}
CODES: Final[dict[str, Promise]] = {
    "rate_limited": gettext_lazy("Asked too often"),
    "budget_exceeded": gettext_lazy("A budget is used up"),
    "budget_on_prem_only": gettext_lazy("A budget is used up, and nothing on-prem serves it"),
    "model_not_found": gettext_lazy("No model of that name in the project"),
    "policy_denied": gettext_lazy("Denied by policy"),
    "fail_closed": gettext_lazy("A control failed, so nothing was sent"),
    "invalid_request": gettext_lazy("The request could not be read"),
    "invalid_json": gettext_lazy("The request could not be read"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One fate of the day. `start` and `width`: its part of the bar, in percent."""

    badge: Badge
    count: int
    percent: int
    word: str | Promise
    start: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of an hour's bar, in the drawing's units."""

    fate: Fate
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """An hour of the day. `counts` in the order of STACK."""

    word: str
    counts: Sequence[int]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A line with a bar."""

    word: str
    count: int
    percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The day as the page has it."""

    requests: int
    left: int
    unknown: int
    sentence: str
    tiles: Sequence[Tile]
    hours: Sequence[Hour]
    pieces: Sequence[Piece]
    ticks: Sequence[int]  # the greatest first
    heads: Sequence[Promise | str]
    masked: int
    classes: Sequence[Share]
    refused: int
    reasons: Sequence[Share]
    whole: bool


def shown(day: Day) -> Shown:
    """The whole of it. No I/O."""
    fates = day.fates
    requests = fates.total()
    hours = list(_hours(day))
    top = _ceiling(max((hour.total for hour in hours), default=0))
    classes = Counter({class_word(name): count for name, count in day.classes.items()})
    reasons: Counter[str] = Counter()
    for why, count in day.refused.items():
        reasons[refusal_word(why)] += count
    return Shown(
        requests=requests,
        left=day.left,
        unknown=fates[Fate.UNKNOWN],
        sentence=_sentence(day),
        tiles=list(_tiles(fates)),
        hours=hours,
        pieces=list(_pieces(hours, top)),
        ticks=[top * step // 4 for step in (4, 3, 2, 1, 0)],
        heads=[Badge(fate.value).word for fate in STACK],
        masked=day.masked,
        classes=shares(classes),
        refused=fates[Fate.BLOCKED],
        reasons=shares(reasons),
        whole=day.whole,
    )


def shares(counts: Counter[str]) -> list[Share]:
    """The greatest, each beside the greatest of them."""
    found = counts.most_common(MOST_LINES)
    most = max((count for _word, count in found), default=1)
    lines = [Share(word=word, count=n, percent=round(100 * n / most, 1)) for word, n in found]
    rest = sum(counts.values()) - sum(line.count for line in lines)
    if rest:
        others = _("others")
        lines.append(Share(word=others, count=rest, percent=round(min(100, 100 * rest / most), 1)))
    return lines


def refusal_word(why: Refused) -> str:
    """Why requests went nowhere, as people say it."""
    if not why.detail:
        return str(CODES.get(why.code, why.code.replace("_", " ")))
    reason = str(REASONS.get(why.detail, why.detail.replace("_", " ")))
    words = reason[:1].upper() + reason[1:]
    if why.rule:
        _scope, _colon, rule = why.rule.partition(":")
        return f"{words} ({rule})"
    return words


def _sentence(day: Day) -> str:
    if not day.left:
        return ""
    restricted = day.left_as["restricted"]
    if not restricted:
        return _("None of them restricted.")
    return _("%(count)d of them restricted, which was masked or cleared.") % {"count": restricted}


def _tiles(fates: Counter[Fate]) -> Sequence[Tile]:
    known = sum(fates[fate] for fate in STACK)
    tiles, start = [], 0.0
    for fate in STACK:
        count = fates[fate]
        if fate is Fate.PRIVATE and not count:
            continue
        width = 100 * count / known if known else 0.0
        tiles.append(
            Tile(
                badge=Badge(fate.value),
                count=count,
                percent=round(width),
                word=_WORDS[fate],
                start=round(start, 3),
                width=round(width, 3),
            )
        )
        start += width
    return tiles


def _hours(day: Day) -> Sequence[Hour]:
    found, at = [], day.since
    while at < day.until:
        fates = day.hours.get(_start_of(at), Counter())
        counts = [fates[fate] for fate in STACK]
        word = f"{timezone.localtime(at):%H}"
        found.append(Hour(word=word, counts=counts, total=sum(counts)))
        at += timedelta(hours=1)
    return found


def _start_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _pieces(hours: Sequence[Hour], top: int) -> Sequence[Piece]:
    """Bars in a drawing of 24 by HEIGHT: an hour is one unit wide."""
    found = []
    for number, hour in enumerate(hours):
        y = float(HEIGHT)
        for fate, count in zip(STACK, hour.counts, strict=True):
            if not count:
                continue
            # A single request among thousands is still to be seen.
            height = max(HEIGHT * count / top, 0.8)
            y -= height
            x = number + (1 - BAR) / 2
            found.append(
                Piece(
                    fate=fate,
                    x=round(x, 3),
                    y=round(max(y, 0), 3),
                    width=BAR,
                    height=round(height, 3),
                )
            )
    return found


def _ceiling(most: int) -> int:
    """The next number that four even steps divide well."""
    step = 1
    while step * 4 < most:
        for factor in (2, 5, 10):
            if step * factor * 4 >= most:
                return step * factor * 4
        step *= 10
    return step * 4
