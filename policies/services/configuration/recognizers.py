"""Recognizers of the organisation and of projects in the configuration file."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields as fields_of
from dataclasses import replace
from typing import Any

from django.core.exceptions import ValidationError

from gateway.accounts.models import Project
from policies.classification.custom_checks import check_recognizer
from policies.classification.custom_patterns import DEFAULT_SCORE, CustomRecognizer
from policies.engine.problems import Place
from policies.services.configuration.steps import Authority, Run, Step, Verb, arrow
from policies.services.recognizers import (
    RecognizerInUse,
    RecognizerRefused,
    remove_recognizer,
    set_recognizer,
)

Recognizers = Mapping[str, CustomRecognizer]

RECOGNIZER = tuple(field.name for field in fields_of(CustomRecognizer) if field.name != "name")
_REQUIRED = ("category", "patterns", "must_match")
_LISTS = ("patterns", "context", "must_match", "must_not_match")


def class_of(name: str) -> str:
    """The data class of a recognizer of this name."""
    return CustomRecognizer(name=name, category="", patterns=()).data_class


def names_in(value: object) -> set[str]:
    """The names of the recognizers below an owner's entry, whatever else is wrong with it."""
    entries = value.get("recognizers") if isinstance(value, dict) else None
    return (
        {name for name in entries if isinstance(name, str)} if isinstance(entries, dict) else set()
    )


def read_recognizers(
    place: Place, categories: Collection[str], taken: Collection[str]
) -> dict[str, CustomRecognizer]:
    """The recognizers of one owner; `taken` are data classes that others of them have."""
    if not isinstance(place.value, dict):
        place.refuse("This is not a mapping.", "Write the name of a recognizer, then what it is.")
        return {}
    found: dict[str, CustomRecognizer] = {}
    classes = set(taken)
    for name, value in place.value.items():
        item = _recognizer(place.at(str(name), value), str(name), categories, classes)
        if item is not None:
            found[item.name] = item
            classes.add(item.data_class)
    return found


def _recognizer(
    at: Place, name: str, categories: Collection[str], taken: Collection[str]
) -> CustomRecognizer | None:
    before = len(at.problems)
    fields = at.fields(RECOGNIZER, required=_REQUIRED)
    lists = {key: _texts(fields[key]) for key in _LISTS if key in fields}
    item = CustomRecognizer(
        name=name,
        category=(fields["category"].word(categories, "category") or "")
        if "category" in fields
        else "",
        patterns=lists.pop("patterns", ()),
        checksum=(fields["checksum"].text(what="a checksum") or "") if "checksum" in fields else "",
        ignore_case=bool(fields["ignore_case"].boolean()) if "ignore_case" in fields else False,
        score=_score(fields["score"]) if "score" in fields else DEFAULT_SCORE,
        **lists,
    )
    if len(at.problems) > before:
        return None
    for problem in check_recognizer(item, taken=taken):
        pointer = at.pointer if problem.field == "/name" else at.pointer + problem.field
        replace(at, pointer=pointer).refuse(problem.sentence, problem.advice)
    return item if len(at.problems) == before else None


def _texts(place: Place) -> tuple[str, ...]:
    return tuple(text for item in place.items() if (text := item.text(what="a text")))


def _score(place: Place) -> float:
    if isinstance(place.value, bool) or not isinstance(place.value, int | float):
        place.refuse("This is not a number.", "Write a score above 0, at most 1, such as 0.8.")
        return DEFAULT_SCORE
    return float(place.value)


def as_data(recognizers: Recognizers) -> dict[str, dict[str, Any]]:
    """As the file writes them; what has its default is left out."""
    plain = CustomRecognizer(name="", category="", patterns=())
    return {
        name: {
            field: list(value) if isinstance(value, tuple) else value
            for field in RECOGNIZER
            if (value := getattr(item, field)) != getattr(plain, field) or field in _REQUIRED
        }
        for name, item in recognizers.items()
    }


def plan_recognizers(slug: str, before: Recognizers, after: Recognizers | None) -> Iterator[Step]:
    """What is defined or changed; `slug` empty: the organisation's. Before the policies, which
    may name what is new."""
    for name, item in (after or {}).items():
        had = before.get(name)
        if had == item:
            continue
        yield Step(
            verb=Verb.CREATE if had is None else Verb.CHANGE,
            subject=_subject(slug, name),
            lines=tuple(_lines(had, item)),
            widens=tuple(_widens(had, item)) if had is not None else (),
            run=_set(slug, item),
        )


def plan_removals_of_recognizers(
    slug: str, before: Recognizers, after: Recognizers | None
) -> Iterator[Step]:
    """What the file does not have any more. After the policies, which may have named it."""
    if after is None:
        return
    for name in before:
        if name not in after:
            yield Step(
                verb=Verb.REMOVE,
                subject=_subject(slug, name),
                widens=("its class is found no more",),
                run=_remove(slug, name),
            )


def _subject(slug: str, name: str) -> str:
    return f"recognizer {name} of {slug or 'the organisation'}"


def _lines(had: CustomRecognizer | None, item: CustomRecognizer) -> Iterator[str]:
    # Counts, never patterns or examples: they may be what the team keeps to itself.
    if had is None:
        yield f"{len(item.patterns)} patterns, category {item.category}"
        return
    for field in RECOGNIZER:
        old, new = getattr(had, field), getattr(item, field)
        if old != new and isinstance(new, tuple):
            added, lost = len(set(new) - set(old)), len(set(old) - set(new))
            yield f"{field}: {added} added, {lost} removed"
        elif old != new:
            yield arrow(field, old or "none", new or "none")


def _widens(had: CustomRecognizer, item: CustomRecognizer) -> Iterator[str]:
    if had.category != item.category:
        yield f"its findings were of category {had.category}"
    narrower = (
        not set(had.patterns) <= set(item.patterns)
        or (had.ignore_case and not item.ignore_case)
        or item.checksum not in {had.checksum, ""}
        or (bool(item.context) and not (had.context and set(had.context) <= set(item.context)))
    )
    if narrower:
        yield "it may find less than before"


def _owner(slug: str) -> Project | None:
    return Project.objects.get(slug=slug) if slug else None


def _set(slug: str, item: CustomRecognizer) -> Run:
    def run(authority: Authority) -> None:
        try:
            set_recognizer(
                by=authority.by,
                project=_owner(slug),
                recognizer=item,
                # Judged when the file was read: the category may come with a policy in it.
                categories={item.category},
            )
        except RecognizerRefused as error:
            raise ValidationError(str(error)) from error

    return run


def _remove(slug: str, name: str) -> Run:
    def run(authority: Authority) -> None:
        try:
            remove_recognizer(by=authority.by, project=_owner(slug), name=name)
        except RecognizerInUse as error:
            raise ValidationError(str(error)) from error

    return run
