"""One decision, step by step: its label, who could have had it, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from frontend.audit.rows import cost_of, label_words
from frontend.words import found_word
from gateway.audit.models import OutcomeState, RequestRecord

REASONS: Final[Mapping[str, Promise]] = {
    "disabled": gettext_lazy("is switched off"),
    "endpoint": gettext_lazy("does not serve this endpoint"),
    "modality": gettext_lazy("takes no such content"),
    "sensitivity": gettext_lazy("not cleared for data this sensitive"),
    "category": gettext_lazy("not cleared for this kind of data"),
    "evidence_expired": gettext_lazy("its evidence expired"),
    "rule_deny": gettext_lazy("a rule denies it"),
    "rule_allow_only": gettext_lazy("a rule allows only others"),
    "rule_error": gettext_lazy("a rule could not be judged, which denies"),
    "approval_required": gettext_lazy("needs an approval"),
    "masking_unavailable": gettext_lazy("masking was not possible"),
    "residue_after_masking": gettext_lazy("more was found after masking"),
    "reaches_out": gettext_lazy("the request asks a server to fetch something"),
    "egress_stopped": gettext_lazy("everything that leaves was stopped"),
    "budget_exhausted": gettext_lazy("a budget is used up"),
    "snapshot_stale": gettext_lazy("the configuration could not be confirmed"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """A heading, a line that stands out, and sentences."""

    title: str
    fact: str
    notes: Sequence[str]


def steps_of(record: RequestRecord) -> list[Step]:
    """In the order in which it happened. Content-free; no I/O."""
    steps = [_labelled(record), _candidates(record)]
    if record.dropped:
        steps.append(_dropped(record))
    if record.attempts:
        steps.append(_sent(record))
    steps.append(_ended(record))
    if record.shadow is not None or record.shadow_rules:
        steps.append(_in_shadow(record))
    return steps


def _labelled(record: RequestRecord) -> Step:
    notes = []
    if record.classes:
        words = ", ".join(found_word(name, count) for name, count in record.classes.items())
        notes.append(_("Found: %(what)s.") % {"what": words})
    else:
        notes.append(_("Nothing was found in the text."))
    if record.declared:
        notes.append(_("Declared by the caller: %(words)s.") % {"words": record.declared})
    if record.inherited:
        notes.append(
            _("Passed on by what it was made of: %(words)s.") % {"words": record.inherited}
        )
    if record.opaque:
        what = ", ".join(record.opaque)
        notes.append(_("Could not be read: %(what)s. That counts as restricted.") % {"what": what})
    notes += [_scanned(*scan[:3]) for scan in record.scans]
    return Step(_("Labelled"), " · ".join(label_words(record)), notes)


def _scanned(recognizer: str, deployment: str, how: str) -> str:
    names = {"recognizer": recognizer, "deployment": deployment, "how": how}
    if how == "ok":
        return _("%(deployment)s, on-prem, was asked for %(recognizer)s.") % names
    if how == "remembered":
        return _("%(deployment)s, on-prem, had been asked for %(recognizer)s before.") % names
    return _("%(recognizer)s: %(deployment)s gave no answer (%(how)s).") % names


def _candidates(record: RequestRecord) -> Step:
    notes = [_("Asked for: %(alias)s.") % {"alias": record.alias}]
    if record.rules:
        notes.append(_("Rules that matched: %(rules)s.") % {"rules": ", ".join(record.rules)})
    else:
        notes.append(_("No rule matched."))
    if record.suspended_rules:
        rules = ", ".join(record.suspended_rules)
        notes.append(_("Suspended by an exception or approval: %(rules)s.") % {"rules": rules})
    return Step(_("Could have had it"), ", ".join(record.candidates) or _("nobody"), notes)


def _in_shadow(record: RequestRecord) -> Step:
    """What is in shadow would have made of it."""
    notes = []
    if record.shadow is not None:
        beside = record.shadow
        said = _would_have(beside.outcome, beside.deployment, beside.masks, record)
        notes.append(_("The policy in shadow: %(said)s.") % {"said": said})
    told = {each.rule: each for each in record.shadow_effects}
    for rule in record.shadow_rules:
        one = told.get(rule)
        said = _would_have(one.outcome, one.deployment, one.masks, record) if one else _("matched")
        notes.append(f"{rule}: {said}.")
    return Step(_("In shadow"), _("without effect"), notes)


def _would_have(
    outcome: str, deployment: str, masks: Mapping[str, str], record: RequestRecord
) -> str:
    if outcome == "error":
        return _("it could not be decided")
    if not deployment:
        return _("it would have been refused")
    said = _("it would have gone to %(name)s") % {"name": deployment}
    if masks:
        what = [f"{found_word(name, record.classes.get(name, 1))}: {masks[name]}" for name in masks]
        said += _(" with this masked: %(what)s") % {"what": ", ".join(what)}
    return said


def _dropped(record: RequestRecord) -> Step:
    notes = []
    for drop in record.dropped:
        name, _zone, reason, *rest = (*drop, "")
        said = str(REASONS.get(reason, reason.replace("_", " ")))
        rule = rest[0] if rest and rest[0] else ""
        notes.append(f"{name}: {said} ({rule})." if rule else f"{name}: {said}.")
    count = len(record.dropped)
    fact = ngettext("%(count)d model server", "%(count)d model servers", count) % {"count": count}
    return Step(_("Dropped"), fact, notes)


def _sent(record: RequestRecord) -> Step:
    notes = [_("The decision was written before anything was sent.")]
    for name, zone, how in (attempt[:3] for attempt in record.attempts):
        if how != "ok":
            notes.append(
                _("%(name)s (%(zone)s) failed: %(how)s.") % {"name": name, "zone": zone, "how": how}
            )
    if record.masked:
        count = record.masked
        notes.append(
            ngettext("%(n)d finding masked.", "%(n)d findings masked.", count) % {"n": count}
        )
    return Step(_("Sent"), record.deployment or _("nobody answered"), notes)


def _ended(record: RequestRecord) -> Step:
    if record.outcome_state == OutcomeState.PENDING:
        return Step(_("Ended"), _("under way"), [])
    if record.outcome_state != OutcomeState.KNOWN:
        note = _("The process died before it could write how this ended; it may have been sent.")
        return Step(_("Ended"), _("not known"), [note])
    notes = []
    if record.error:
        notes.append(_("The caller was told: %(error)s.") % {"error": record.error})
    if record.prompt_tokens is not None or record.completion_tokens is not None:
        notes.append(
            _("%(prompt)s tokens in, %(completion)s out.")
            % {"prompt": record.prompt_tokens or 0, "completion": record.completion_tokens or 0}
        )
    if record.restored:
        count = record.restored
        words = ngettext(
            "%(n)d masked value was put back.", "%(n)d masked values were put back.", count
        )
        notes.append(words % {"n": count})
    if record.unrestored:
        count = record.unrestored
        words = ngettext(
            "%(n)d placeholder stayed as it was.", "%(n)d placeholders stayed as they were.", count
        )
        notes.append(words % {"n": count})
    cost = cost_of(record)
    if cost:
        notes.append(_("Cost: $%(cost)s.") % {"cost": cost})
    took = f" · {record.duration_ms} ms" if record.duration_ms is not None else ""
    return Step(_("Ended"), f"{record.status}{took}", notes)
