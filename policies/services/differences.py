"""How two documents of one policy differ: in sentences for people, as data for programs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.engine import rules as r
from policies.engine.document import DocumentError, KnownNames, PolicyDocument, parse_document
from policies.engine.labels import Sensitivity
from policies.engine.sentences import floor_sentence, never_sentence, rule_sentence
from policies.services.policy_widening import policy_widening

Document = Mapping[str, Any]
_LISTS = ("never", "tests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`sentences`, most telling first; `data` as programs take it; `widens` as events say it."""

    sentences: tuple[str, ...]
    data: Mapping[str, Any]
    widens: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing differs."""
        return not self.data


def difference(before: Document | None, after: Document, known: KnownNames) -> Difference:
    """From one document to another; `before` None: from nothing. No I/O.

    `known` are the names of now. A document that does not read any more is compared as data
    alone. Raises nothing.
    """
    old = _read(before, known) if before is not None else None
    new = _read(after, known)
    data = {
        name: change
        for name in sorted({*(before or {}), *after} - {"kind", "project"})
        if (change := _change(name, (before or {}).get(name), after.get(name))) is not None
    }
    if new is None or (before is not None and old is None):
        sentences: tuple[str, ...] = tuple(f"{name} differs." for name in data)
        return Difference(
            sentences=("One of the two names what is not there any more.", *sentences),
            data=data,
            widens=("the policy before cannot be compared",) if before is not None else (),
        )
    return Difference(
        sentences=tuple(_sentences(old, new, data)), data=data, widens=policy_widening(old, new)
    )


def _read(document: Document, known: KnownNames) -> PolicyDocument | None:
    try:
        return parse_document(document, known)
    except DocumentError:
        return None


def _change(name: str, before: object, after: object) -> dict[str, Any] | None:
    if before == after:
        return None
    if name == "rules":
        return _rules_change(_by_id(before), _by_id(after))
    if name in _LISTS:
        had, has = _items(before), _items(after)
        return {
            "added": [item for item in has if item not in had],
            "removed": [item for item in had if item not in has],
        }
    return {"before": before, "after": after}


def _rules_change(before: dict[str, Document], after: dict[str, Document]) -> dict[str, Any] | None:
    kept = [name for name in before if name in after]
    change = {
        "added": [after[name] for name in after if name not in before],
        "removed": [before[name] for name in before if name not in after],
        "changed": [
            {"id": name, "before": before[name], "after": after[name]}
            for name in kept
            if before[name] != after[name]
        ],
        "reordered": kept != [name for name in after if name in before],
    }
    return change if any(change.values()) else None


def _by_id(rules: object) -> dict[str, Document]:
    return {str(rule.get("id")): rule for rule in _items(rules) if isinstance(rule, Mapping)}


def _items(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _sentences(
    before: PolicyDocument | None, after: PolicyDocument, data: Mapping[str, Any]
) -> Iterator[str]:
    old = {rule.id: rule for rule in before.rules} if before is not None else {}
    new = {rule.id: rule for rule in after.rules}
    for rule_id, rule in new.items():
        if rule_id not in old:
            yield f"New rule {rule_id}: {rule_sentence(rule)}"
        elif old[rule_id] != rule:
            yield (
                f"Rule {rule_id} said: {rule_sentence(old[rule_id])} "
                f"It says now: {rule_sentence(rule)}"
            )
    for rule_id, rule in old.items():
        if rule_id not in new:
            yield f"Rule {rule_id} is gone. It said: {rule_sentence(rule)}"
    if data.get("rules", {}).get("reordered"):
        yield "The rules stand in another order."
    yield from _never(before.never if before is not None else (), after.never)
    yield from _rest(before, after)
    tests = data.get("tests", {})
    for verb in ("added", "removed"):
        count = len(tests.get(verb, ()))
        if count:
            yield f"{count} test{'s' if count > 1 else ''} {verb}."


def _never(before: Sequence[r.Never], after: Sequence[r.Never]) -> Iterator[str]:
    yield from (f"New: {never_sentence(item)}" for item in after if item not in before)
    yield from (f"No longer stated: {never_sentence(item)}" for item in before if item not in after)


def _rest(before: PolicyDocument | None, after: PolicyDocument) -> Iterator[str]:
    had = before.floor if before is not None else None
    if had != after.floor:
        yield (
            f"The floor was {floor_sentence(had) if had else 'not stated'} and is "
            f"{floor_sentence(after.floor) if after.floor else 'not stated'}."
        )
    old: dict[str, Sensitivity] = dict(before.categories) if before is not None else {}
    new = dict(after.categories)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            is_now = f"needs at least {new[name].word}" if name in new else "is no longer stated"
            yield f"The category {name} {is_now}."
    for field, less, more in (
        ("relax", "does not count as opaque any more", "counts as opaque again"),
        ("reach_out", "is not refused any more", "is refused again"),
    ):
        was: frozenset[str] = getattr(before, field) if before is not None else frozenset()
        now: frozenset[str] = getattr(after, field)
        yield from (f"{word} {less}." for word in sorted(now - was))
        yield from (f"{word} {more}." for word in sorted(was - now))
