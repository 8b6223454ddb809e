"""What people read of a spreadsheet's estimate, preview and counts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from frontend.badges import Badge, badge_for
from frontend.money.amounts import dollars, money
from frontend.words import category_word, class_word
from gateway.batches.sheets.answered import Answer
from gateway.batches.sheets.budgets import BudgetLeft
from gateway.batches.sheets.marks import Fate
from gateway.inference.limits import AtEnd

STATUSES: Final[dict[str, Promise]] = {
    "draft": _("Nothing has been sent yet"),
    "estimating": _("Deciding about every row; nothing is sent"),
    "ready": _("Ready to run; nothing has been sent yet"),
    "running": _("Running"),
    "pausing": _("Pausing: rows under way are finished"),
    "paused": _("Paused"),
    "cancelling": _("Ending: rows under way are finished"),
    "cancelled": _("Cancelled; finished rows stay"),
    "completed": _("Completed"),
    "failed": _("Failed: not one row was answered"),
}
REASONS: Final[dict[str, Promise]] = {
    "policy_changed": _("The policy was changed. Estimate again to see what it means now."),
    "asked": _("Somebody asked for it."),
    "batch_expired": _("It took longer than its time. Resume to go on."),
    "batch_cancelled": _("Its batch was cancelled. Resume to go on."),
    "invalid_api_key": _("Whoever made it may not use the project any more."),
    "creator_may_not": _("Whoever made it may not use the project any more."),
    "table_gone": _("The table was deleted, or kept no longer."),
}
FAILURES: Final[dict[str, Promise]] = {
    "answer_invalid": _("The answer was not in the shape that was asked for"),
    "policy_denied": _("No deployment may receive the row"),
    "approval_required": _("Needs an approval"),
    "no_deployment_available": _("No model server answered"),
    "upstream_refused": _("The model server refused the row"),
    "model_not_found": _("The model cannot serve the row"),
    "budget_exceeded": _("The budget is used up"),
}
_FATES: Final[dict[Fate, Promise]] = {
    Fate.PLACEHOLDER: _("%(what)s, masked"),
    Fate.HASH: _("%(what)s, hashed"),
    Fate.PARTIAL: _("%(what)s, partly masked"),
    Fate.REMOVE: _("%(what)s, removed"),
    Fate.OPEN: _("%(what)s, sent as it is"),
    Fate.HELD: _("%(what)s, not sent"),
}
_HELD: Final = frozenset({"policy_denied", "approval_required"})
_PERIODS: Final[dict[str, Promise]] = {
    "day": _("%(name)s, today"),
    "week": _("%(name)s, this week"),
    "month": _("%(name)s, this month"),
    "total": _("%(name)s"),
}
_FOLLOWS: Final[dict[AtEnd | None, Promise]] = {
    AtEnd.REFUSE: _("May not be enough: rows it cannot pay for would fail, and can be retried."),
    AtEnd.ON_PREM: _("May not be enough: from then on, only what costs nothing goes on."),
    None: _("May not be enough. It warns and refuses nothing."),
}
STEPS: Final = (_("Upload"), _("Prompt"), _("Preview and cost"), _("Run"))
_STEP_OF = {"draft": 1, "estimating": 2, "ready": 2}


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the bar of destinations, in percent of its width."""

    badge: str
    rows: int
    start: float
    width: float


def shares(estimate: Mapping[str, Any]) -> list[Share]:
    """Where the rows would go, by badge, as parts of one bar."""
    rows: dict[Badge, int] = {}
    for each in estimate["destinations"]:
        kind = badge_for(each["zone"], masked=int(each["masked"]))
        rows[kind] = rows.get(kind, 0) + each["rows"]
    held = sum(each["rows"] for each in estimate["held"])
    if held:
        rows[Badge.BLOCKED] = held
    found, start = [], 0.0
    for kind in Badge:
        if kind in rows:
            width = 100 * rows[kind] / max(estimate["rows"], 1)
            found.append(Share(kind.value, rows[kind], round(start, 2), round(width, 2)))
            start += width
    return found


def number(amount: int) -> str:
    """With the digits grouped as the language does."""
    return number_format(amount, use_l10n=True, force_grouping=True)


def span(time: Mapping[str, int] | None) -> str:
    """How long it may take, in the unit that fits; empty where nobody knows."""
    if time is None:
        return ""
    least, most = time["least"], time["most"]
    for unit_s, word in ((3600, _("%(time)s h")), (60, _("%(time)s min")), (1, _("%(time)s s"))):
        if most >= 2 * unit_s or unit_s == 1:
            low, high = max(1, least // unit_s), -(-most // unit_s)
            shown = number(high) if low >= high else f"{number(low)} – {number(high)}"  # noqa: RUF001
            return str(word) % {"time": shown}
    raise AssertionError("every time fits a unit")


def figures(estimate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a run would take, each with a word; `note`: what the figure rests on."""
    tokens = estimate["tokens"]
    most = _("up to %(most)s") % {"most": number(tokens["output_most"])}
    unknown = _("unknown")
    return [
        {"word": _("Tokens in"), "figure": number(tokens["input"])},
        {
            "word": _("Tokens out"),
            "figure": most,
            "note": _("500 an answer are assumed: set the longest answer.")
            if tokens["output_is_assumed"]
            else "",
        },
        {"word": _("Time"), "figure": span(estimate["time_s"]) or unknown},
        {"word": _("Cost"), "figure": cost_range(estimate["cost_usd"]) or unknown},
    ]


def used(usage: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the runs took so far; nothing before the first answer."""
    if not (usage["prompt_tokens"] or usage["completion_tokens"]):
        return []
    note = _("%(answers)s answers have no known price.") % {"answers": number(usage["unpriced"])}
    return [
        {"word": _("Tokens in"), "figure": number(usage["prompt_tokens"])},
        {"word": _("Tokens out"), "figure": number(usage["completion_tokens"])},
        {
            "word": _("Cost"),
            "figure": dollars(Decimal(usage["cost_usd"])),
            "note": note if usage["unpriced"] else "",
        },
    ]


def budget_words(left: BudgetLeft) -> dict[str, Any]:
    """A budget beside the estimate: what is left, and what follows when that is not enough."""
    of = str(_PERIODS[left.period]) % {"name": left.name}
    return {
        "name": of,
        "left": "" if left.left_usd is None else dollars(left.left_usd),
        "short": left.enough is False,
        "follows": _FOLLOWS[left.at_end if left.hard else None],
    }


def cost_range(cost: Mapping[str, str] | None) -> str:
    """From the least to the most; empty where nobody knows."""
    if cost is None:
        return ""
    least, most = (dollars(Decimal(cost[name])) for name in ("least", "most"))
    return most if least == most else f"{least} – {most}"  # noqa: RUF001


def steps(status: str) -> list[dict[str, Any]]:
    """The four steps, and which of them is now."""
    now = _STEP_OF.get(status, 3)
    return [{"word": word, "number": at + 1, "now": at == now} for at, word in enumerate(STEPS)]


def chips(columns: Sequence[str], found: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """The columns to insert, with the categories that some of their cells hold."""
    return [
        {
            "place": "{{" + name + "}}",
            "name": name,
            "holds": ", ".join(category_word(each) for each in found.get(name, ())),
        }
        for name in columns
    ]


def pieces_of(template: str) -> list[dict[str, str]]:
    """A template, its placeholders apart."""
    pieces = re.split(r"(\{\{[^{}]*\}\})", template)
    return [
        {"text": piece, "place": "yes" if at % 2 else ""}
        for at, piece in enumerate(pieces)
        if piece
    ]


def previewed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the preview, its prompts cut where something was found."""
    where = row["destination"]
    return {
        "number": row["row"],
        "badge": badge_for(where["zone"], masked=int(where["masked"])).value
        if where
        else Badge.BLOCKED.value,
        "deployment": where["deployment"] if where else "",
        "held": row["held"],
        "cost": "" if row["cost_usd_most"] is None else dollars(Decimal(row["cost_usd_most"])),
        "rules": row["rules"],
        "messages": [
            {"role": part["role"], "pieces": _pieces(part["text"], part["marks"])}
            for part in row["prompt"]
        ],
    }


def _pieces(text: str, marks: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    pieces: list[dict[str, str]] = []
    end = 0
    for mark in sorted(marks, key=lambda each: each["start"]):
        if mark["start"] < end:
            continue  # inside of what is marked already
        pieces.append({"text": text[end : mark["start"]], "found": ""})
        said = str(_FATES[Fate(mark["fate"])]) % {"what": class_word(mark["class"])}
        shown = text[mark["start"] : mark["end"]]
        pieces.append({"text": shown, "found": said, "fate": mark["fate"]})
        end = mark["end"]
    pieces.append({"text": text[end:], "found": ""})
    return [piece for piece in pieces if piece["text"] or piece["found"]]


def answer_words(answer: Answer) -> dict[str, Any]:
    """A row that has ended: where it went, what came back or why nothing did."""
    badge = ""  # it went nowhere for want of a server
    if answer.code in _HELD:
        badge = Badge.BLOCKED.value
    elif answer.zone:
        badge = badge_for(answer.zone, masked=answer.masked).value
    return {
        "number": answer.row,
        "badge": badge,
        "model": answer.model or answer.deployment,
        "cells": ["" if cell is None else cell for cell in answer.cells],
        "failed": FAILURES.get(answer.code, answer.code) if answer.failed else "",
        "cost": money(answer.cost_nano),
        "twice": answer.lost,
    }


def failures(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Why rows failed, the commonest first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return [
        {"code": code, "rows": rows, "word": FAILURES.get(code, code)} for code, rows in ordered
    ]
