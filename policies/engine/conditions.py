"""From a condition to a closure over one request. Conditions see the label before masking."""

from collections.abc import Callable
from datetime import time
from functools import singledispatch
from zoneinfo import ZoneInfo

from policies.engine import rules as r
from policies.engine.facts import RequestFacts
from policies.engine.labels import Label

Test = Callable[[RequestFacts, Label], bool]


class RuleError(Exception):
    """A condition cannot be evaluated; the rule that holds it denies."""


def split(condition: r.Condition, *, cautiously: bool = False) -> tuple[Test | None, Test | None]:
    """The condition as two tests that must both hold; None holds always.

    The first asks only for the endpoint, the alias and the label, so that its answer can be
    remembered. It never raises. `cautiously`: what depends on findings holds, where nobody knows
    what there is to find, unless it is certainly false.
    """
    parts = condition.conditions if isinstance(condition, r.AllOf) else (condition,)
    lasting = tuple(part for part in parts if _is_lasting(part))
    passing = tuple(part for part in parts if not _is_lasting(part))
    return (
        compile_condition(r.AllOf(lasting)) if lasting else None,
        _passing(r.AllOf(passing), cautiously=cautiously) if passing else None,
    )


def _is_lasting(condition: r.Condition) -> bool:
    match condition:
        case r.EndpointIs() | r.AliasIs() | r.SensitivityIs() | r.CategoryIs():
            return True
        case r.AllOf(parts) | r.AnyOf(parts):
            return all(map(_is_lasting, parts))
        case r.Not(part):
            return _is_lasting(part)
    return False


def _passing(condition: r.Condition, *, cautiously: bool) -> Test:
    exact = compile_condition(condition)
    if not (cautiously and _asks_for_findings(condition)):
        return exact
    possible = _bound(condition, upper=True)

    def holds(facts: RequestFacts, label: Label) -> bool:
        # Unknown counts as worst: a rule that takes something away applies if it could.
        return (possible if facts.unread else exact)(facts, label)

    return holds


def _asks_for_findings(condition: r.Condition) -> bool:
    match condition:
        case r.DataClassIs():
            return True
        case r.AllOf(parts) | r.AnyOf(parts):
            return any(map(_asks_for_findings, parts))
        case r.Not(part):
            return _asks_for_findings(part)
    return False


def _bound(condition: r.Condition, *, upper: bool) -> Test:
    """Whatever would have been found: `upper`, whether it could hold; else whether it must."""
    match condition:
        case r.DataClassIs():
            return lambda facts, label: upper
        case r.AllOf(parts) | r.AnyOf(parts):
            tests = tuple(_bound(part, upper=upper) for part in parts)
            every = all if isinstance(condition, r.AllOf) else any
            return lambda facts, label: every(test(facts, label) for test in tests)
        case r.Not(part):
            other = _bound(part, upper=not upper)
            return lambda facts, label: not other(facts, label)
    return compile_condition(condition)


@singledispatch
def compile_condition(condition: object) -> Test:
    """A closure that says whether the condition holds. It may raise; then the rule denies."""
    raise TypeError(f"not a condition: {type(condition).__name__}")


@compile_condition.register
def _endpoint(condition: r.EndpointIs) -> Test:
    names = condition.any_of
    return lambda facts, label: facts.endpoint in names


@compile_condition.register
def _alias(condition: r.AliasIs) -> Test:
    names = condition.any_of
    return lambda facts, label: facts.alias in names


@compile_condition.register
def _sensitivity(condition: r.SensitivityIs) -> Test:
    low, high = condition.at_least, condition.at_most
    return lambda facts, label: low <= label.sensitivity <= high


@compile_condition.register
def _category(condition: r.CategoryIs) -> Test:
    any_of, all_of = condition.any_of, condition.all_of
    if not all_of:
        return lambda facts, label: not any_of.isdisjoint(label.categories)
    if not any_of:
        return lambda facts, label: all_of <= label.categories
    return lambda facts, label: (
        all_of <= label.categories and not any_of.isdisjoint(label.categories)
    )


@compile_condition.register
def _data_class(condition: r.DataClassIs) -> Test:
    any_of, all_of, at_least = condition.any_of, condition.all_of, condition.at_least

    def holds(facts: RequestFacts, label: Label) -> bool:
        counts = facts.data_classes
        if not counts:
            return False
        if any_of and sum([counts[name] for name in any_of if name in counts]) < at_least:
            return False
        return not all_of or all(counts.get(name, 0) >= at_least for name in all_of)

    return holds


@compile_condition.register
def _group(condition: r.GroupIs) -> Test:
    names = condition.any_of
    return lambda facts, label: not names.isdisjoint(facts.groups)


@compile_condition.register
def _key(condition: r.KeyIs) -> Test:
    names = condition.any_of
    return lambda facts, label: facts.key in names


@compile_condition.register
def _size(condition: r.SizeIs) -> Test:
    low, high = condition.at_least, condition.at_most
    if high is None:
        return lambda facts, label: facts.size_bytes >= low
    return lambda facts, label: low <= facts.size_bytes <= high


@compile_condition.register
def _modality(condition: r.ModalityIs) -> Test:
    names = condition.any_of
    return lambda facts, label: not names.isdisjoint(facts.modalities)


@compile_condition.register
def _tools(condition: r.ToolsAre) -> Test:
    names, present = condition.any_of, condition.present
    if names is None:
        return lambda facts, label: bool(facts.tools) is present
    return lambda facts, label: not names.isdisjoint(facts.tools)


@compile_condition.register
def _budget(condition: r.BudgetIs) -> Test:
    states = condition.any_of
    return lambda facts, label: facts.budget in states


@compile_condition.register
def _time(condition: r.TimeIs) -> Test:
    days, start, end = condition.days, condition.start, condition.end
    try:
        zone = ZoneInfo(condition.timezone)
    except (KeyError, ValueError, OSError):
        # The document was read where this zone was known. Not knowing it here is an error of
        # the rule at every request, and never a window that is silently always or never open.
        return _always_fails(f"the time zone {condition.timezone!r} is unknown on this machine")

    def holds(facts: RequestFacts, label: Label) -> bool:
        if facts.now.tzinfo is None:
            raise RuleError("the time of the request has no zone")
        local = facts.now.astimezone(zone)
        return _in_window(local.weekday(), local.time(), days=days, start=start, end=end)

    return holds


def _in_window(
    weekday: int, clock: time, *, days: frozenset[int], start: time, end: time | None
) -> bool:
    if end is None or end > start:
        return weekday in days and start <= clock and (end is None or clock < end)
    return (weekday in days and clock >= start) or ((weekday - 1) % 7 in days and clock < end)


def _always_fails(reason: str) -> Test:
    def holds(facts: RequestFacts, label: Label) -> bool:
        raise RuleError(reason)

    return holds


@compile_condition.register
def _all_of(condition: r.AllOf) -> Test:
    tests = tuple(compile_condition(part) for part in condition.conditions)
    match tests:
        case ():
            return lambda facts, label: True
        case (only,):
            return only
        case (first, second):
            return lambda facts, label: first(facts, label) and second(facts, label)
    return lambda facts, label: all(test(facts, label) for test in tests)


@compile_condition.register
def _any_of(condition: r.AnyOf) -> Test:
    tests = tuple(compile_condition(part) for part in condition.conditions)
    match tests:
        case (first, second):
            return lambda facts, label: first(facts, label) or second(facts, label)
    return lambda facts, label: any(test(facts, label) for test in tests)


@compile_condition.register
def _not(condition: r.Not) -> Test:
    test = compile_condition(condition.condition)
    return lambda facts, label: not test(facts, label)
