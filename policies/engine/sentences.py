"""A policy in plain sentences: conditions, effects, statements. Nothing here decides anything.

Sentences name classes, categories, rules and deployments, never the text of a test.
"""

from collections.abc import Iterable, Iterator

from policies.engine import rules as r
from policies.engine.labels import Label, Sensitivity
from policies.engine.reading import DAYS

_ZONES = {"on_prem": "on-prem", "private_cloud": "private cloud", "cloud": "cloud"}


def rule_sentence(rule: r.Rule) -> str:
    """`When the data is of category health: only on-prem deployments may receive it.`"""
    conditions = list(_conditions(rule.when))
    when = f"When {' and '.join(conditions)}: " if conditions else "Always: "
    return when + _effect(rule.then) + (" (Shadow: only recorded.)" if rule.shadow else "")


def never_sentence(statement: r.Never) -> str:
    """`Data that is restricted or more never reaches cloud or private cloud deployments.`"""
    parts = []
    if statement.sensitivity != r.SensitivityIs():
        parts.append(f"is {_range(statement.sensitivity)}")
    if statement.categories:
        parts.append(f"is of category {_or(statement.categories)}")
    what = f"Data that {' and '.join(parts)}" if parts else "Data"
    return f"{what} never reaches {selected(statement.selector)}."


def floor_sentence(floor: Label) -> str:
    """`internal`, or `confidential (health)`."""
    names = f" ({', '.join(sorted(floor.categories))})" if floor.categories else ""
    return floor.sensitivity.word + names


def selected(selector: r.Selector) -> str:
    """Which deployments a selector means: `cloud deployments of vendor acme`."""
    if selector.deployments is not None:
        what = f"{_or(selector.deployments)}"
    elif selector.zones is not None:
        what = f"{_or(sorted(_ZONES[zone.value] for zone in selector.zones))} deployments"
    else:
        what = "deployments"
    if selector.deployments is not None and selector.zones is not None:
        what += f" ({_or(sorted(_ZONES[zone.value] for zone in selector.zones))})"
    limits = list(_attributes(selector))
    if not limits and what == "deployments":
        return "any deployment"
    return " ".join([what, *limits])


def _attributes(selector: r.Selector) -> Iterator[str]:
    if selector.vendors is not None:
        yield f"of vendor {_or(selector.vendors)}"
    if selector.regions is not None:
        yield f"in region {_or(selector.regions)}"
    least, most = selector.retention_days_at_least, selector.retention_days_at_most
    if most is not None:
        yield f"that keep data at most {most} days"
    if least is not None:
        yield f"that keep data at least {least} days"
    if selector.trains_on_data is not None:
        yield "that train on data" if selector.trains_on_data else "that do not train on data"


def _effect(effect: r.Effect) -> str:
    match effect:
        case r.Deny(message):
            return "nothing may receive it" + (f" ({message.rstrip('.')})." if message else ".")
        case r.AllowOnly(selector):
            return f"only {selected(selector)} may receive it."
        case r.RequireApproval(selector):
            return f"{selected(selector)} may receive it only once it is approved."
        case r.Mask(names, selector, mode):
            return f"{_and(names)} masked ({mode.value}) for {selected(selector)}."
        case r.Prefer(names, selector):
            first = ", then ".join(names) if selector is None else selected(selector)
            return f"{first} first."


def _conditions(condition: r.Condition) -> Iterator[str]:
    if isinstance(condition, r.AllOf):
        for part in condition.conditions:
            yield from _conditions(part)
    else:
        yield _condition(condition)


def _condition(condition: r.Condition) -> str:
    match condition:
        case r.AnyOf(parts):
            said = "(" + " or ".join(_joined(part) for part in parts) + ")"
        case r.Not(part):
            said = f"not ({_joined(part)})"
        case r.AllOf():
            said = _joined(condition)
        case r.SensitivityIs():
            said = f"the data is {_range(condition)}"
        case r.CategoryIs(any_of, all_of):
            said = f"the data is of category {_any_all(any_of, all_of)}"
        case r.DataClassIs(any_of, all_of, at_least):
            often = "" if at_least == 1 else f" at least {at_least} times"
            said = f"{_any_all(any_of, all_of)} is found{often}"
        case r.SizeIs() | r.ToolsAre() | r.TimeIs():
            said = _measured(condition)
        case _:
            said = _plain(condition)
    return said


def _measured(condition: r.SizeIs | r.ToolsAre | r.TimeIs) -> str:
    if isinstance(condition, r.TimeIs):
        return _time(condition)
    if isinstance(condition, r.SizeIs):
        bounds = [f"at least {condition.at_least}"] if condition.at_least else []
        bounds += [f"at most {condition.at_most}"] if condition.at_most is not None else []
        return f"the request has {' and '.join(bounds) or 'any number of'} bytes"
    if condition.any_of is not None:
        return f"the request brings the tool {_or(condition.any_of)}"
    return f"the request brings {'' if condition.present else 'no '}tools"


def _plain(
    condition: r.EndpointIs | r.AliasIs | r.GroupIs | r.KeyIs | r.ModalityIs | r.BudgetIs,
) -> str:
    """Conditions that are one set of words."""
    what = {
        r.EndpointIs: "the endpoint is",
        r.AliasIs: "the model asked for is",
        r.GroupIs: "the caller is in group",
        r.KeyIs: "the API key is",
        r.ModalityIs: "the request contains",
        r.BudgetIs: "the budget is",
    }[type(condition)]
    return f"{what} {_or(condition.any_of)}"


def _joined(condition: r.Condition) -> str:
    return " and ".join(_conditions(condition)) or "always"


def _time(condition: r.TimeIs) -> str:
    days = "every day"
    if len(condition.days) < len(DAYS):
        days = "on " + _or(DAYS[day].capitalize() for day in sorted(condition.days))
    end = condition.end.strftime("%H:%M") if condition.end is not None else "24:00"
    return f"it is {days} from {condition.start:%H:%M} to {end} ({condition.timezone})"


def _range(bounds: r.SensitivityIs) -> str:
    if bounds.at_least == bounds.at_most:
        return bounds.at_least.word
    if bounds.at_most is Sensitivity.RESTRICTED:
        return f"{bounds.at_least.word} or more"
    if bounds.at_least is Sensitivity.PUBLIC:
        return f"{bounds.at_most.word} or less"
    return f"{bounds.at_least.word} to {bounds.at_most.word}"


def _any_all(any_of: frozenset[str], all_of: frozenset[str]) -> str:
    parts = [_or(any_of)] if any_of else []
    parts += [_and(all_of)] if all_of else []
    return " with ".join(parts)


def _or(words: Iterable[str]) -> str:
    return _series(words, "or")


def _and(words: Iterable[str]) -> str:
    return _series(words, "and")


def _series(words: Iterable[str], last: str) -> str:
    found = list(words)
    if isinstance(words, frozenset):
        found.sort()
    if len(found) < 2:
        return "".join(found)
    return f"{', '.join(found[:-1])} {last} {found[-1]}"
