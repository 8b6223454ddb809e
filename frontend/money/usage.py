"""`/usage/`: cost and tokens, as the address asks. Whom one may see is the service's word."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from frontend.audit.rows import CHANNELS, name_of, names_of
from frontend.badges import Badge, badge_for
from frontend.money.amounts import dollars
from frontend.money.plot import plot_of, short, value_of
from frontend.money.question import DIMENSIONS, MEASURES, Asked
from gateway.accounts.models import Project, User
from gateway.usage.services import reports
from gateway.usage.services.reports import By, Line

MOST_ROWS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. `narrow`: the query that asks for it alone; empty: there is none."""

    word: str
    badge: Badge | None
    narrow: str
    requests: str
    tokens_in: str
    tokens_out: str
    cost: str
    percent: float
    share: str
    unpriced: int
    estimated: int


@require_safe
@never_cache
@login_required
def usage_page(request: HttpRequest) -> HttpResponse:
    """Sums, a plot by day, and a table."""
    user = cast("User", request.user)
    try:
        asked = Asked.read(request.GET.dict())
    except ValidationError as error:
        asked = Asked.read({})
        wrong = {
            "page": "usage",
            "problem": " ".join(error.messages),
            "filters": asked.filters({}),
        }
        return render(request, "frontend/money/usage.html", wrong, status=400)
    whole = reports.total(user, asked.question())
    lines = reports.report(user, asked.question(asked.by))
    measure = asked.measure or ("cost" if whole.cost_usd or not whole.requests else "tokens")
    plot = plot_of(
        reports.report(user, asked.question(By.DAY, By.ZONE)),
        first=asked.first,
        last=asked.last,
        measure=measure,
    )
    context = {
        "page": "usage",
        "filters": asked.filters(_known(user, asked)),
        "whole": whole,
        "cost": dollars(whole.cost_usd),
        "tokens_in": short(whole.prompt_tokens),
        "tokens_out": short(whole.completion_tokens),
        "requests": f"{whole.requests:,}",
        "plot": plot,
        "plot_heads": [badge_for(zone) for zone in plot.zones],
        "measure": measure,
        "measures": [(name, word, asked.query(measure=name)) for name, word in MEASURES.items()],
        "dimension": DIMENSIONS[asked.by.value],
        "rows": _rows(lines[:MOST_ROWS], asked, measure, whole),
        "more": len(lines) - MOST_ROWS,
        "query": asked.query(),
        "sees_all": reports.sees_everything(user),
    }
    return render(request, "frontend/money/usage.html", context)


@require_safe
@never_cache
@login_required
def usage_file(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The table as CSV."""
    user = cast("User", request.user)
    try:
        asked = Asked.read(request.GET.dict())
    except ValidationError as error:
        return HttpResponse(" ".join(error.messages), status=400, content_type="text/plain")
    question = asked.question(asked.by)
    lines = reports.exported(user, question)
    name = f"usage-{asked.first}-{asked.last}.csv"
    return StreamingHttpResponse(
        lines,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _rows(lines: Sequence[Line], asked: Asked, measure: str, whole: Line) -> list[Row]:
    words = _words(asked.by, [line.names[0] for line in lines])
    total = value_of(whole, measure) or Decimal(1)
    found = []
    for line in lines:
        name = line.names[0]
        part = 100 * value_of(line, measure) / total
        narrow = asked.by.value not in {"day", "channel"} and bool(name)
        found.append(
            Row(
                word=words.get(name) or _("none"),
                badge=badge_for(name) if asked.by is By.ZONE and name else None,
                narrow=asked.query(**{asked.by.value: name}) if narrow else "",
                requests=f"{line.requests:,}",
                tokens_in=f"{line.prompt_tokens:,}",
                tokens_out=f"{line.completion_tokens:,}",
                cost=dollars(line.cost_usd),
                percent=round(float(part), 2),
                share=f"{part:.0f} %" if part >= 1 or not part else "< 1 %",
                unpriced=line.unpriced,
                estimated=line.estimated,
            )
        )
    return found


def _words(by: By, names: Iterable[str]) -> Mapping[str, str]:
    """What people read for the names of a dimension."""
    names = list(names)
    if by is By.PERSON:
        known = names_of(names)
        return {name: name_of(name, known) for name in names}
    if by is By.PROJECT:
        return _project_words(names)
    if by is By.CHANNEL:
        return {name: str(CHANNELS.get(name, name)) for name in names}
    if by is By.KEY:
        return {name: f"{name}…" if name else _("without a key") for name in names}
    return {name: name for name in names}


def _project_words(slugs: Iterable[str]) -> dict[str, str]:
    slugs = list(slugs)
    found = dict(Project.objects.filter(slug__in=slugs).values_list("slug", "name"))
    return {slug: found.get(slug, slug) for slug in slugs}


def _known(user: User, asked: Asked) -> Mapping[str, Mapping[str, str]]:
    """What there is to choose from in the days asked for, of what the person may see."""
    wide = Asked(first=asked.first, last=asked.last, by=asked.by, measure="", values=_open())
    rows = reports.visible(user, wide.question())
    columns: Mapping[By, str] = {
        By.PROJECT: "project",
        By.PERSON: "person",
        By.MODEL: "alias",
        By.DEPLOYMENT: "deployment",
    }
    known: dict[str, Mapping[str, str]] = {}
    for by, column in columns.items():
        names: list[Any] = list(
            rows.exclude(**{column: ""}).order_by(column).values_list(column, flat=True).distinct()
        )[:MOST_ROWS]
        known[by.value] = dict(
            sorted(_words(by, names).items(), key=lambda each: each[1].casefold())
        )
    return known


def _open() -> Mapping[str, str]:
    return dict.fromkeys(("project", "person", "key", "model", "deployment", "zone"), "")
