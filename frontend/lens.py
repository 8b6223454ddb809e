"""The words of the lens: where a message would go and why, from what the path explains."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from frontend.badges import Badge, badge_for
from frontend.words import category_word, class_word, found_word, sensitivity_word

Explained = Mapping[str, Any]


def lens_of(explained: Explained, *, found_apart: bool = False) -> dict[str, object]:
    """What the page shows before sending. Content-free: classes and counts, never text.

    `found_apart`: the page shows the findings by themselves, so the reason does not repeat them.
    """
    candidates: Sequence[Explained] = explained["candidates"]
    badge = _badge(candidates)
    label = explained["label"]
    findings = [found_word(name, count) for name, count in _counts(explained).items()]
    return {
        "badge": badge,
        "headline": _headline(badge, candidates),
        "reason": _reason(badge, explained, [] if found_apart else findings),
        "label": [
            sensitivity_word(label["sensitivity"]),
            *(category_word(name) for name in label["categories"]),
        ],
        "findings": findings,
        "rules": [_rule_word(rule) for rule in explained["rules"]],
        "places": [
            *(_candidate(candidate) for candidate in candidates),
            *(_dropped(drop) for drop in explained["dropped"]),
        ],
    }


def choices_of(explained: Explained) -> dict[str, object]:
    """What would become of the draft with one model, for the list of models."""
    candidates: Sequence[Explained] = explained["candidates"]
    badge = _badge(candidates)
    if badge is Badge.BLOCKED:
        detail = _blocked(explained)
    elif badge is Badge.MASKED:
        detail = _("Would get it with %(count)s masked.") % {"count": candidates[0]["masked"]}
    else:
        detail = _headline(badge, candidates)
    return {
        "badge": badge,
        "detail": detail,
        "masked": bool(candidates and candidates[0]["masked"]),
    }


def marks_of(explained: Explained, place: tuple[str, int], text: str) -> list[dict[str, object]]:
    """Where findings stand in the draft's own words, counted as browsers count (UTF-16)."""
    where, before = place
    found = sorted(
        (finding["start"] - before, finding["end"] - before, finding["class"])
        for finding in explained["findings"]
        if finding["place"] == where
    )
    marks: list[dict[str, object]] = []
    covered = 0
    for start, end, name in found:
        if start < covered or end > len(text):
            continue
        covered = end
        marks.append(
            {
                "start": _utf16(text[:start]),
                "end": _utf16(text[:end]),
                "word": class_word(name),
            }
        )
    return marks


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _counts(explained: Explained) -> dict[str, int]:
    counts: dict[str, int] = {}
    for finding in explained["findings"]:
        counts[finding["class"]] = counts.get(finding["class"], 0) + 1
    return counts


def _badge(candidates: Sequence[Explained]) -> Badge:
    if not candidates:
        return Badge.BLOCKED
    return badge_for(candidates[0]["zone"], masked=candidates[0]["masked"])


def _headline(badge: Badge, candidates: Sequence[Explained]) -> str:
    if badge is Badge.BLOCKED:
        return _("Would not be sent")
    if badge is Badge.ON_PREM:
        return _("Stays on your servers")
    return _("Goes to %(deployment)s") % {"deployment": candidates[0]["deployment"]}


def _reason(badge: Badge, explained: Explained, findings: list[str]) -> str:
    """Some sentences, or nothing where the headline says it all."""
    said = _said(badge, explained, findings)
    unasked: Sequence[Explained] = explained.get("unasked", ())
    if not unasked or badge is Badge.ON_PREM:
        return said
    names = ", ".join(each["recognizer"] for each in unasked)
    asked = _(
        "When you send it, a model of your own is asked as well (%(names)s): what that finds may "
        "keep it here."
    )
    return f"{said} {asked % {'names': names}}".strip()


def _said(badge: Badge, explained: Explained, findings: list[str]) -> str:
    if badge is Badge.BLOCKED:
        return _blocked(explained)
    if explained["opaque"]:
        return _("Part of it cannot be read, so all of it counts as restricted.")
    if findings:
        return _("Found: %(what)s. That makes it %(sensitivity)s.") % {
            "what": ", ".join(findings),
            "sensitivity": sensitivity_word(explained["label"]["sensitivity"]),
        }
    return ""


def _blocked(explained: Explained) -> str:
    dropped: Sequence[Explained] = explained["dropped"]
    if not dropped:
        return _("No model of that name may be used in this project.")
    sentences = list(dict.fromkeys(drop["detail"] for drop in dropped))
    if explained["remedy"]:
        sentences.append(_("What would allow it: %(remedy)s.") % {"remedy": explained["remedy"]})
    return " ".join(sentences)


def _candidate(candidate: Explained) -> dict[str, object]:
    masked = candidate["masked"]
    badge = badge_for(candidate["zone"], masked=masked)
    if masked:
        detail = _("Would get it with %(count)s masked.") % {"count": masked}
    else:
        detail = _("Would get it as it is.")
    return {"name": candidate["deployment"], "badge": badge, "detail": detail, "out": False}


def _dropped(drop: Explained) -> dict[str, object]:
    return {
        "name": drop["deployment"],
        "badge": Badge.BLOCKED,
        "detail": drop["detail"],
        "out": True,
    }


def _rule_word(name: str) -> str:
    """`organisation:health-stays` as people say it."""
    scope, _colon, rule = name.partition(":")
    return _("%(rule)s (organisation)") % {"rule": rule} if scope == "organisation" else rule
