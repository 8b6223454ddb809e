"""Reading what a rule does: exactly one effect."""

from policies.engine import rules as r
from policies.engine.permit import MaskMode
from policies.engine.problems import Place
from policies.engine.reading import MODES, KnownNames, read_selector

EFFECTS = ("deny", "allow_only", "require_approval", "mask", "prefer")
MASK_OPTIONS = ("for", "mode")


def read_effect(place: Place, known: KnownNames) -> r.Effect | None:
    """The effect of a `then`, or None after noting a problem."""
    fields = place.fields((*EFFECTS, *MASK_OPTIONS))
    chosen = [name for name in EFFECTS if name in fields]
    if len(chosen) != 1:
        if isinstance(place.value, dict):
            place.refuse(
                f"A rule has one effect; here are {len(chosen)}.",
                f"Keep one of {', '.join(EFFECTS)}; write a rule for each other.",
            )
        return None
    effect = chosen[0]
    for option in MASK_OPTIONS:
        if option in fields and effect != "mask":
            fields[option].refuse(f"`{option}` belongs to `mask`.", f"Remove `{option}`.")
    match effect:
        case "deny":
            return _deny(fields["deny"])
        case "allow_only":
            selector = read_selector(fields["allow_only"], known)
            return None if selector is None else r.AllowOnly(selector)
        case "require_approval":
            return _require_approval(fields["require_approval"], known)
        case "mask":
            return _mask(fields, known)
    return _prefer(fields["prefer"], known)


def _deny(place: Place) -> r.Deny | None:
    if place.value is True:
        return r.Deny()
    if isinstance(place.value, bool):
        place.refuse("This denies nothing.", "Write true or a message, or remove the rule.")
        return None
    message = place.text(what="true or a message for the caller")
    return None if message is None else r.Deny(message)


def _require_approval(place: Place, known: KnownNames) -> r.RequireApproval | None:
    if place.value is True:
        return r.RequireApproval()
    selector = read_selector(place, known)
    return None if selector is None else r.RequireApproval(selector)


def _mask(fields: dict[str, Place], known: KnownNames) -> r.Mask | None:
    names = None
    if known.data_classes is not None:
        names = frozenset(known.data_classes) | frozenset(known.categories)
    masked = frozenset(fields["mask"].words(names, "data class or category"))
    selector: r.Selector | None = r.ALL_BUT_ON_PREM
    if "for" in fields:
        selector = read_selector(fields["for"], known)
    mode: str | None = MaskMode.PLACEHOLDER
    if "mode" in fields:
        mode = fields["mode"].word(MODES, "mode")
    if not masked or selector is None or mode is None:
        return None
    return r.Mask(masked, selector, MaskMode(mode))


def _prefer(place: Place, known: KnownNames) -> r.Prefer | None:
    if isinstance(place.value, dict):
        selector = read_selector(place, known)
        return None if selector is None else r.Prefer(selector=selector)
    names = place.words(known.deployments, "deployment")
    return r.Prefer(names) if names else None
