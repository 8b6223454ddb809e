"""What people read of a spreadsheet's estimate, preview and counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from frontend.badges import Badge, badge_for
from frontend.words import category_word, class_word

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


def dollars(amount: str | None) -> str:
    """`0.000170000` as people read it: without zeros at its end."""
    if amount is None:
        return ""
    return f"{amount.rstrip('0').rstrip('.') if '.' in amount else amount} USD"


def cost_range(cost: Mapping[str, str] | None) -> str:
    """From the least to the most; empty where nobody knows."""
    if cost is None:
        return ""
    least, most = dollars(cost["least"]), dollars(cost["most"])
    return least if least == most else f"{least.removesuffix(' USD')} – {most}"  # noqa: RUF001


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
        "cost": dollars(row["cost_usd_most"]),
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
        pieces.append(
            {"text": text[mark["start"] : mark["end"]], "found": class_word(mark["class"])}
        )
        end = mark["end"]
    pieces.append({"text": text[end:], "found": ""})
    return [piece for piece in pieces if piece["text"]]


def failures(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Why rows failed, the commonest first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return [
        {"code": code, "rows": rows, "word": FAILURES.get(code, code)} for code, rows in ordered
    ]
