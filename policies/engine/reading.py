"""Reading the parts of a rule: selectors, conditions, effects."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import time
from zoneinfo import ZoneInfo

from policies.engine import rules as r
from policies.engine.facts import Endpoint, Zone
from policies.engine.labels import DEFAULT_MINIMUMS, Sensitivity
from policies.engine.permit import MaskMode
from policies.engine.problems import Place

SENSITIVITIES = tuple(member.word for member in Sensitivity)
ZONES = tuple(member.value for member in Zone)
ENDPOINTS = tuple(member.value for member in Endpoint)
MODES = tuple(member.value for member in MaskMode)
MODALITIES = ("text", "image", "audio", "video", "file")
SELECTOR = ("zone", "deployment", "vendor", "region", "retention_days", "trains_on_data")
BUDGET_STATES = ("ok", "warned", "exhausted")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ORIGIN = r"[a-z][a-z0-9_-]{0,63}"
RELAXABLE = ("encoded_text", "images")
# As the protocol reports them: what would make a server fetch from elsewhere.
REACH_OUT = (
    "code_interpreter",
    "computer",
    "file_search",
    "mcp",
    "other_tool",
    "remote_image",
    "remote_media",
    "web_fetch",
    "web_search",
)
# `any` and `not` may be nested this deep; deeper is nothing that a person could check.
DEPTH_LIMIT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNames:
    """The names that a document may use; None: any. A name that is not known is a problem.

    `minimums` are the categories' least sensitivities so far: a document may not lower them.
    """

    deployments: Collection[str]
    aliases: Collection[str]
    groups: Collection[str] | None = None
    categories: Collection[str] = tuple(DEFAULT_MINIMUMS)
    data_classes: Collection[str] | None = None
    endpoints: Collection[str] = ENDPOINTS
    reach_out: Collection[str] = REACH_OUT
    minimums: Mapping[str, Sensitivity] = field(default_factory=lambda: DEFAULT_MINIMUMS)


def read_origin(place: Place) -> r.Origin | None:
    """The recipe that something was built from; what the answers mean is the recipe's affair."""
    fields = place.fields(("id", "answers"), required=("id",))
    name = fields["id"].text(pattern=ORIGIN, what="a recipe's id") if "id" in fields else None
    answers: list[tuple[str, r.Answer]] = []
    given = fields["answers"].value if "answers" in fields else {}
    if not isinstance(given, Mapping):
        fields["answers"].fields(())
        given = {}
    for key, value in given.items():
        item = fields["answers"].at(str(key), value)
        if Place(key, item.pointer, item.problems).text(pattern=ORIGIN, what="a blank's name"):
            answer = _answer(item)
            if answer is not None:
                answers.append((key, answer))
    return None if name is None else r.Origin(name, tuple(sorted(answers)))


def _answer(place: Place) -> r.Answer | None:
    if isinstance(place.value, list | tuple):
        return place.words(None, "answer")
    if isinstance(place.value, int):
        return place.integer()
    return place.text(what="text, a whole number or a list of texts")


def read_selector(place: Place, known: KnownNames) -> r.Selector | None:
    """Which deployments are meant. At least one attribute, else None and a problem."""
    fields = place.fields(SELECTOR)
    if not fields:
        if place.value == {}:
            place.refuse("The selector is empty.", "Say which deployments are meant.")
        return None
    return selector_of(fields, known)


def selector_of(fields: dict[str, Place], known: KnownNames) -> r.Selector:
    """A selector from those of the fields that belong to one."""
    zones = _words(fields.get("zone"), ZONES, "zone")
    retention = fields.get("retention_days")
    low, high = _range(retention) if retention is not None else (None, None)
    trains = fields.get("trains_on_data")
    return r.Selector(
        zones=None if zones is None else frozenset(map(Zone, zones)),
        deployments=_words(fields.get("deployment"), known.deployments, "deployment"),
        vendors=_folded(_words(fields.get("vendor"), None, "vendor")),
        regions=_folded(_words(fields.get("region"), None, "region")),
        retention_days_at_least=low,
        retention_days_at_most=high,
        trains_on_data=None if trains is None else trains.boolean(),
    )


def _words(place: Place | None, known: Collection[str] | None, what: str) -> frozenset[str] | None:
    return None if place is None else frozenset(place.words(known, what))


def _folded(words: frozenset[str] | None) -> frozenset[str] | None:
    return None if words is None else frozenset(word.casefold() for word in words)


def _range(place: Place, *, least: int = 0) -> tuple[int | None, int | None]:
    fields = place.fields(("at_least", "at_most"))
    if place.value == {}:
        place.refuse("The range is empty.", "Say at_least, at_most or both.")
    low = fields["at_least"].integer(at_least=least) if "at_least" in fields else None
    high = fields["at_most"].integer(at_least=least) if "at_most" in fields else None
    if low is not None and high is not None and low > high:
        place.refuse("No number lies in this range.", "Let at_least be at_most or less.")
    return low, high


def read_sensitivity(place: Place) -> Sensitivity | None:
    """One of the four words."""
    word = place.word(SENSITIVITIES, "sensitivity")
    return None if word is None else Sensitivity.from_word(word)


def read_sensitivity_range(fields: dict[str, Place]) -> r.SensitivityIs:
    """From `at_least`, `at_most` and `is`; what is not given does not bound."""
    read = {name: read_sensitivity(place) for name, place in fields.items()}
    exactly = read.get("is")
    low = read.get("at_least") or exactly or Sensitivity.PUBLIC
    high = read.get("at_most")
    high = exactly if high is None else high
    if exactly is not None and len(fields) > 1:
        fields["is"].refuse("`is` says it all.", "Leave at_least and at_most out, or leave `is`.")
    elif high is not None and low > high:
        fields["at_most"].refuse("No sensitivity lies in this range.", "Raise at_most.")
    return r.SensitivityIs(low, Sensitivity.RESTRICTED if high is None else high)


def read_conditions(place: Place, known: KnownNames, *, depth: int = 0) -> r.Condition:
    """The conditions of a `when`, all of which must hold; an empty mapping holds always."""
    if depth > DEPTH_LIMIT:
        place.refuse("The conditions are nested too deeply.", f"Nest {DEPTH_LIMIT} levels at most.")
        return r.ALWAYS
    fields = place.fields((*_READERS, "any", "not"))
    parts: list[r.Condition] = []
    for name, field_place in fields.items():
        if name == "any":
            branches = field_place.items()
            if field_place.value in ([], ()):
                field_place.refuse("The list is empty, so this never holds.", "Add conditions.")
            read = [read_conditions(item, known, depth=depth + 1) for item in branches]
            parts.append(r.AnyOf(tuple(read)))
        elif name == "not":
            parts.append(r.Not(read_conditions(field_place, known, depth=depth + 1)))
        else:
            parts.append(_READERS[name](field_place, known))
    return parts[0] if len(parts) == 1 else r.AllOf(tuple(parts))


def _endpoint(place: Place, known: KnownNames) -> r.Condition:
    return r.EndpointIs(frozenset(place.words(known.endpoints, "endpoint")))


def _alias(place: Place, known: KnownNames) -> r.Condition:
    return r.AliasIs(frozenset(place.words(known.aliases, "alias")))


def _sensitivity(place: Place, known: KnownNames) -> r.Condition:
    if isinstance(place.value, str):
        word = read_sensitivity(place) or Sensitivity.PUBLIC
        return r.SensitivityIs(word, word)
    fields = place.fields(("at_least", "at_most", "is"))
    if place.value == {}:
        place.refuse("The range is empty.", "Say at_least, at_most or is.")
    return read_sensitivity_range(fields)


def _category(place: Place, known: KnownNames) -> r.Condition:
    if not isinstance(place.value, dict):
        return r.CategoryIs(any_of=frozenset(place.words(known.categories, "category")))
    fields = place.fields(("any_of", "all_of"))
    if place.value == {}:
        place.refuse("No category is named.", "Say any_of or all_of.")
    return r.CategoryIs(
        any_of=_words(fields.get("any_of"), known.categories, "category") or frozenset(),
        all_of=_words(fields.get("all_of"), known.categories, "category") or frozenset(),
    )


def _data_class(place: Place, known: KnownNames) -> r.Condition:
    if not isinstance(place.value, dict):
        return r.DataClassIs(any_of=frozenset(place.words(known.data_classes, "data class")))
    fields = place.fields(("any_of", "all_of", "count"))
    any_of = _words(fields.get("any_of"), known.data_classes, "data class") or frozenset()
    all_of = _words(fields.get("all_of"), known.data_classes, "data class") or frozenset()
    if not fields.keys() & {"any_of", "all_of"}:
        place.refuse("No data class is named.", "Say any_of or all_of.")
    at_least = None
    if "count" in fields:
        bounds = fields["count"].fields(("at_least",), required=("at_least",))
        at_least = bounds["at_least"].integer(at_least=1) if bounds else None
    return r.DataClassIs(any_of, all_of, at_least or 1)


def _group(place: Place, known: KnownNames) -> r.Condition:
    return r.GroupIs(frozenset(place.words(known.groups, "group")))


def _key(place: Place, known: KnownNames) -> r.Condition:
    return r.KeyIs(frozenset(place.words(None, "key prefix")))


def _size(place: Place, known: KnownNames) -> r.Condition:
    low, high = _range(place)
    return r.SizeIs(low or 0, high)


def _modality(place: Place, known: KnownNames) -> r.Condition:
    return r.ModalityIs(frozenset(place.words(MODALITIES, "modality")))


def _tools(place: Place, known: KnownNames) -> r.Condition:
    if isinstance(place.value, bool):
        return r.ToolsAre(present=place.value)
    return r.ToolsAre(frozenset(place.words(None, "tool")))


def _budget(place: Place, known: KnownNames) -> r.Condition:
    return r.BudgetIs(frozenset(place.words(BUDGET_STATES, "budget state")))


def _time(place: Place, known: KnownNames) -> r.Condition:
    fields = place.fields(("days", "from", "to", "timezone"), required=("timezone",))
    if not fields.keys() & {"days", "from", "to"}:
        place.refuse("Any time matches.", "Say days, from, to or several of these.")
    days = (
        [_day(word) for word in fields["days"].words(_DAY_WORDS, "day")] if "days" in fields else []
    )
    start = _clock(fields.get("from"))
    end = _clock(fields.get("to"))
    if end is not None and end == (start or time(0)):
        fields["to"].refuse("The window is empty.", "Let `to` differ from `from`.")
    zone = None
    if "timezone" in fields:
        zone = fields["timezone"].text(what="a time zone such as Europe/Berlin")
    if zone is not None and not _zone_is_known(zone):
        fields["timezone"].refuse(
            f"There is no time zone {zone[:80]!r}.", "Use an IANA name such as Europe/Berlin."
        )
    return r.TimeIs(frozenset(days or range(7)), start or time(0), end, zone or "UTC")


_DAY_WORDS = DAYS + tuple(day[:3] for day in DAYS)


def _day(word: str) -> int:
    return next(place for place, day in enumerate(DAYS) if day.startswith(word))


def _clock(place: Place | None) -> time | None:
    """`HH:MM`, or minutes since midnight, as which YAML 1.1 reads an unquoted 18:00."""
    if place is None:
        return None
    if isinstance(place.value, int) and not isinstance(place.value, bool):
        if 0 <= place.value < 24 * 60:
            return time(place.value // 60, place.value % 60)
        place.refuse("This is no time of day.", 'Write "HH:MM" in quotes.')
        return None
    text = place.text(pattern=r"([01][0-9]|2[0-3]):[0-5][0-9]", what="a time of day (HH:MM)")
    return None if text is None else time(int(text[:2]), int(text[3:]))


def _zone_is_known(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


_READERS: dict[str, Callable[[Place, KnownNames], r.Condition]] = {
    "endpoint": _endpoint,
    "alias": _alias,
    "sensitivity": _sensitivity,
    "category": _category,
    "data_class": _data_class,
    "group": _group,
    "key": _key,
    "size": _size,
    "modality": _modality,
    "tools": _tools,
    "time": _time,
    "budget": _budget,
}
