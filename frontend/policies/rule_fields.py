"""Between a rule of a document and the fields of its form.

A form shows what most rules are made of. What it cannot show (`any`, `not`, and unusual shapes of
the rest) is kept as it is and said in words: nothing is lost by editing a rule here.
"""

from collections.abc import Mapping
from typing import Any, Final

from policies.engine.reading import DAYS

Data = Mapping[str, Any]

# Fields of the form that are a list of words in `when`, and of a selector.
WORDS: Final = {
    "categories": "category",
    "data_classes": "data_class",
    "aliases": "alias",
    "endpoints": "endpoint",
    "groups": "group",
    "keys": "key",
    "modalities": "modality",
    "budget": "budget",
}
SELECTOR_WORDS: Final = {
    "zones": "zone",
    "deployments": "deployment",
    "vendors": "vendor",
    "regions": "region",
}
ORDERED: Final = ("first", "second", "third")
_TIME: Final = {"days", "from", "to", "timezone"}


def fields_of(rule: Data) -> tuple[dict[str, Any], dict[str, Any]]:
    """The form's initial values, and the part of `when` that it does not show."""
    found: dict[str, Any] = {"id": rule.get("id", ""), "shadow": bool(rule.get("shadow"))}
    when = rule.get("when")
    kept: dict[str, Any] = {}
    for name, value in (when if isinstance(when, Mapping) else {}).items():
        read = _condition(name, value)
        if read is None:
            kept[name] = value
        else:
            found |= read
    then = rule.get("then")
    found |= _effect(then if isinstance(then, Mapping) else {})
    return found, kept


def rule_of(given: Data, *, kept: Data, before: Data | None = None) -> dict[str, Any]:
    """The rule that the cleaned fields mean, in the order in which people write one.

    `before`: the rule that is edited; it keeps its recipe as long as it says the same.
    """
    when = {**_when(given), **kept}
    rule: dict[str, Any] = {"id": given["id"]}
    if when:
        rule["when"] = when
    rule["then"] = _then(given)
    if given.get("shadow"):
        rule["shadow"] = True
    if before is not None and "recipe" in before:
        same = all(before.get(name) == rule.get(name) for name in ("when", "then"))
        if same:
            rule["recipe"] = before["recipe"]
    return rule


def _condition(name: str, value: Any) -> dict[str, Any] | None:
    """The fields that show a condition; None: none do."""
    for field, key in WORDS.items():
        if name == key:
            return _class_count(value) if name == "data_class" else _listed(field, value)
    if name == "sensitivity":
        return _sensitivity(value)
    if name == "size":
        return _bounds(value, "size_least", "size_most")
    if name == "time":
        return _time(value)
    if name == "tools" and isinstance(value, bool):
        return {"tools": "yes" if value else "no"}
    return None


def _time(value: Any) -> dict[str, Any] | None:
    days = _words(value.get("days", [])) if isinstance(value, Mapping) else None
    if days is None or not value.keys() <= _TIME:
        return None
    return {
        "days": [next((each for each in DAYS if each.startswith(day)), day) for day in days],
        "time_from": _clock(value.get("from")),
        "time_to": _clock(value.get("to")),
        "timezone": value.get("timezone", ""),
    }


def _listed(field: str, value: Any) -> dict[str, Any] | None:
    if isinstance(value, Mapping) and value.keys() == {"any_of"}:
        value = value["any_of"]
    words = _words(value)
    return None if words is None else {field: words}


def _class_count(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, Mapping) or not value.keys() <= {"any_of", "count"}:
        return _listed("data_classes", value)
    count = value.get("count", {})
    found = _listed("data_classes", value.get("any_of"))
    if found is None or not isinstance(count, Mapping):
        return None
    return found | {"class_count": count.get("at_least")}


def _sensitivity(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        return {"at_least": value, "at_most": value}
    if not isinstance(value, Mapping):
        return None
    if value.keys() == {"is"}:
        return {"at_least": value["is"], "at_most": value["is"]}
    return _bounds(value, "at_least", "at_most")


def _bounds(value: Any, least: str, most: str) -> dict[str, Any] | None:
    if not isinstance(value, Mapping) or not value.keys() <= {"at_least", "at_most"}:
        return None
    return {least: value.get("at_least", ""), most: value.get("at_most", "")}


def _effect(then: Data) -> dict[str, Any]:
    if "deny" in then:
        message = then["deny"]
        return {"effect": "deny", "message": message if isinstance(message, str) else ""}
    for name in ("allow_only", "require_approval"):
        if name in then:
            return {"effect": name, **_selector(then[name])}
    if "mask" in then:
        return {
            "effect": "mask",
            "masked": _words(then["mask"]) or [],
            "mode": then.get("mode", "placeholder"),
            **_selector(then.get("for")),
        }
    if "prefer" in then:
        wanted = then["prefer"]
        if isinstance(wanted, Mapping):
            return {"effect": "prefer", **_selector(wanted)}
        names = _words(wanted) or []
        return {"effect": "prefer", **dict(zip(ORDERED, names, strict=False))}
    return {}


def _selector(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {}
    found: dict[str, Any] = {
        field: _words(value[key]) or [] for field, key in SELECTOR_WORDS.items() if key in value
    }
    retention = value.get("retention_days")
    if isinstance(retention, Mapping):
        found["retention_most"] = retention.get("at_most")
        found["retention_least"] = retention.get("at_least")
    if isinstance(value.get("trains_on_data"), bool):
        found["trains"] = "yes" if value["trains_on_data"] else "no"
    return found


def _words(value: Any) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return list(value)
    return None


def _clock(value: Any) -> str:
    """`18:00`, which YAML 1.1 reads unquoted as minutes."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value // 60:02d}:{value % 60:02d}"
    return value if isinstance(value, str) else ""


def _when(given: Data) -> dict[str, Any]:
    when: dict[str, Any] = {}
    if given.get("categories"):
        when["category"] = _one_or_list(given["categories"])
    low, high = given.get("at_least"), given.get("at_most")
    if low and low == high:
        when["sensitivity"] = low
    elif low or high:
        when["sensitivity"] = _known(at_least=low, at_most=high)
    for field, key in WORDS.items():
        if field != "categories" and given.get(field):
            when[key] = _one_or_list(given[field])
    if given.get("class_count") and "data_class" in when:
        when["data_class"] = {
            "any_of": list(given["data_classes"]),
            "count": {"at_least": given["class_count"]},
        }
    if given.get("size_least") is not None or given.get("size_most") is not None:
        when["size"] = _known(at_least=given.get("size_least"), at_most=given.get("size_most"))
    if given.get("tools"):
        when["tools"] = given["tools"] == "yes"
    if given.get("days") or given.get("time_from") or given.get("time_to"):
        when["time"] = {
            key: value
            for key, value in (
                ("days", list(given.get("days") or [])),
                ("from", given.get("time_from")),
                ("to", given.get("time_to")),
                ("timezone", given.get("timezone") or "UTC"),
            )
            if value
        }
    return when


def _then(given: Data) -> dict[str, Any]:
    effect = given.get("effect")
    selector = selector_of(given)
    if effect == "deny":
        return {"deny": given.get("message") or True}
    if effect == "mask":
        then: dict[str, Any] = {"mask": list(given.get("masked") or [])}
        if selector:
            then["for"] = selector
        if given.get("mode", "placeholder") != "placeholder":
            then["mode"] = given["mode"]
        return then
    if effect == "prefer":
        names = [given[name] for name in ORDERED if given.get(name)]
        return {"prefer": names or selector}
    if effect == "require_approval":
        return {"require_approval": selector or True}
    return {"allow_only": selector}


def selector_of(given: Data) -> dict[str, Any]:
    """Which deployments the fields mean; empty: nothing was said."""
    selector: dict[str, Any] = {
        key: _one_or_list(given[field]) for field, key in SELECTOR_WORDS.items() if given.get(field)
    }
    kept = _known(at_least=given.get("retention_least"), at_most=given.get("retention_most"))
    if kept:
        selector["retention_days"] = kept
    if given.get("trains"):
        selector["trains_on_data"] = given["trains"] == "yes"
    return selector


def _known(**bounds: Any) -> dict[str, Any]:
    return {name: value for name, value in bounds.items() if value not in (None, "")}


def _one_or_list(words: Any) -> Any:
    return words[0] if len(words) == 1 else list(words)


def statement_fields(statement: Any) -> dict[str, Any]:
    """The form's initial values of a `never` statement."""
    if not isinstance(statement, Mapping):
        return {}
    label = statement.get("label")
    label = label if isinstance(label, Mapping) else {}
    return {
        "never_categories": _words(label.get("category", [])) or [],
        "never_least": label.get("at_least") or label.get("is") or "",
        **_selector(statement),
    }
