"""Who may not have received what, worked out from what was planted and declared.

Written from the text of the semantic rules and on its own: no part of the engine, the recognizers
or the path is asked. It knows too little rather than too much (a condition that it cannot be sure
of forbids nothing), so whatever it forbids is forbidden.
"""

import base64
import binascii
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.gateway.inference.search.requests import Asked
from tests.gateway.inference.search.worlds import (
    CLASSES,
    MINIMUMS,
    SENSITIVITIES,
    Label,
    Place,
    World,
)

_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
_LONG_WORD = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
WORST: Label = (3, frozenset(MINIMUMS))


@dataclass(frozen=True, slots=True)
class Forbidden:
    """What one deployment must not have: `everything` says why not even a byte; `values` are
    pieces of content with the reason."""

    everything: str
    values: tuple[tuple[str, str], ...]


def join(*labels: Label) -> Label:
    """Semantic rule 1."""
    categories = frozenset[str]().union(*(label[1] for label in labels))
    sensitivities = [label[0] for label in labels]
    return max([0, *sensitivities, *(MINIMUMS[name] for name in categories)]), categories


def cleared(label: Label, place: Place) -> bool:
    """Semantic rule 2."""
    if place.expired:
        return label[0] == 0 and not label[1]
    inside = place.categories is None or label[1] <= place.categories
    return label[0] <= place.sensitivity and inside


def forbidden(world: World, asked: Asked, place: Place, *, only_on_prem: bool) -> Forbidden:
    """`only_on_prem`: nothing may leave the house at the moment."""
    base = join(*world.floors, *asked.labels)
    if asked.image and "images" not in world.relax:
        base = join(base, WORST)
    visible = [value for value in asked.values if not value.joined]
    before = join(base, *((0, frozenset({value.category})) for value in visible))
    classes = {value.data_class for value in visible}
    why = _everything(world, asked, place, base, before, classes, only_on_prem=only_on_prem)
    values = [(word, "a private field") for word in asked.private if place.zone != "on_prem"]
    masked = _masked(world, asked, place, before, classes)
    for value in asked.values:
        own = join(base, (0, frozenset({value.category})))
        reason = ""
        if not cleared(own, place):
            reason = f"{value.data_class} beyond the clearance"
        elif not value.joined and not masked.isdisjoint({value.data_class, value.category}):
            reason = f"{value.data_class} is masked"
        if reason:
            values += [(form, reason) for form in value.forms]
    return Forbidden(why, tuple(values))


def _everything(
    world: World,
    asked: Asked,
    place: Place,
    base: Label,
    before: Label,
    classes: set[str],
    *,
    only_on_prem: bool,
) -> str:
    reasons = (
        (place.name not in world.aliases.get(asked.alias, ()), "the alias does not lead there"),
        (not (place.granted and place.enabled), "not granted, or disabled"),
        (asked.endpoint not in place.endpoints, "does not serve the endpoint"),
        (asked.image and "image" not in place.modalities, "takes no images"),
        (only_on_prem and place.zone != "on_prem", "nothing may leave the house"),
        (not cleared(base, place), "floors, declarations or opaque parts beyond the clearance"),
    )
    for holds, why in reasons:
        if holds:
            return why
    for key, rule in world.rules():
        if _surely(rule["when"], world, asked, before, classes) and _drops(rule["then"], place):
            return f"{key} drops it"
    return ""


def _drops(effect: Mapping[str, Any], place: Place) -> bool:
    if "allow_only" in effect:
        return not _selects(effect["allow_only"], place, unknown=False)
    if "require_approval" in effect:
        return _selects(effect["require_approval"], place, unknown=True)
    return "deny" in effect


def _masked(world: World, asked: Asked, place: Place, before: Label, classes: set[str]) -> set[str]:
    """Classes and categories of which this place never gets a raw value (semantic rule 5)."""
    names: set[str] = set()
    for _, rule in world.rules():
        effect = rule["then"]
        selector = effect.get("for", {"zone": ["private_cloud", "cloud"]})
        if (
            "mask" in effect
            and _selects(selector, place, unknown=True)
            and _surely(rule["when"], world, asked, before, classes)
        ):
            names |= set(effect["mask"])
    return names


def _surely(
    when: Mapping[str, Any], world: World, asked: Asked, before: Label, classes: set[str]
) -> bool:
    """Whether the condition holds whatever else was found: `before` and `classes` are what was
    certainly found."""
    ((name, wanted),) = when.items()
    found: Mapping[str, Collection[str]] = {
        "category": before[1],
        "data_class": classes,
        "group": world.groups,
        "alias": {asked.alias},
        "endpoint": {asked.endpoint},
    }
    if name in found:
        return not set(found[name]).isdisjoint(wanted)
    if name == "not":
        return world.groups.isdisjoint(wanted["group"])
    # With an upper bound nobody is sure: more may have been found than was planted.
    return "at_least" in wanted and before[0] >= SENSITIVITIES.index(wanted["at_least"])


def _selects(selector: Mapping[str, Any], place: Place, *, unknown: bool) -> bool:
    ((name, wanted),) = selector.items()
    match name:
        case "zone":
            return place.zone in wanted
        case "deployment":
            return place.name in wanted
    return unknown if place.region is None else place.region in wanted


def plain(text: str) -> str:
    """Letters and digits alone, in lower case: how a value is spelt hides nothing."""
    return _NOT_ALPHANUMERIC.sub("", text).casefold()


def readings(raw: bytes) -> Iterator[str]:
    """What whoever received these bytes could read in them."""
    text = raw.decode("latin-1")
    yield plain(text)
    head, _, body = text.partition("\r\n\r\n")
    del head
    try:
        tree = json.loads(body.encode("latin-1"))
    except ValueError:
        return
    pieces, keys = [], []
    for name, value in _strings(tree):
        keys.append(name)
        pieces.append(value)
    yield plain("".join(pieces))
    yield plain("".join(keys))
    for piece in pieces:
        for word in _LONG_WORD.findall(piece):
            try:
                yield plain(base64.b64decode(word, validate=True).decode("latin-1"))
            except (ValueError, binascii.Error):
                continue


def _strings(node: Any) -> Iterator[tuple[str, str]]:
    """(key, "") and ("", scalar) in order, those of JSON within strings, too."""
    if isinstance(node, str):
        yield "", node
        if node[:1] in {"{", "["}:
            try:
                yield from _strings(json.loads(node))
            except ValueError:
                return
    elif isinstance(node, dict):
        for name, value in node.items():
            yield name, ""
            yield from _strings(value)
    elif isinstance(node, list):
        for item in node:
            yield from _strings(item)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield "", str(int(node)) if float(node).is_integer() else repr(node)


def found_in(raw: bytes, ban: Forbidden) -> list[str]:
    """What of the forbidden arrived, in words that quote no value."""
    if ban.everything:
        return [ban.everything]
    if not ban.values:
        return []
    texts = list(readings(raw))
    return sorted({why for form, why in ban.values for text in texts if plain(form) in text})


assert set(CLASSES.values()) <= set(MINIMUMS)
