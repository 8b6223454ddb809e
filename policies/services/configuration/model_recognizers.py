"""Model recognizers of the organisation and of projects in the configuration file."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from gateway.accounts.models import Project
from gateway.deployments.models import Deployment
from gateway.deployments.spec import DeploymentSpec
from policies.classification.model_checks import check_model_recognizer
from policies.classification.model_recognizers import (
    DEFAULT_AT_LEAST,
    DEFAULT_OVERLAP,
    DEFAULT_TIMEOUT_S,
    DEFAULT_WINDOW,
    Asks,
    Finds,
    ModelRecognizer,
    classes_of,
)
from policies.engine.facts import DeploymentFacts
from policies.engine.problems import Place
from policies.services.configuration.steps import Authority, Run, Step, Verb, arrow
from policies.services.model_recognizers import (
    deployment_problem,
    remove_model_recognizer,
    set_model_recognizer,
)
from policies.services.recognizers import RecognizerInUse, RecognizerRefused

Models = Mapping[str, ModelRecognizer]

MODEL = ("deployment", "asks", "labels", "finds", "window", "overlap", "timeout_s")
FINDS = ("data_class", "category", "labels", "at_least", "what")


@dataclass(frozen=True, slots=True)
class Askable:
    """A deployment as far as asking it goes."""

    facts: DeploymentFacts
    provider: str


def askable_now() -> dict[str, Askable]:
    """Those that the database has."""
    return {
        row.name: Askable(row.facts(), row.provider)
        for row in Deployment.objects.filter(proposed=False)
    }


def askable_then(specs: Iterable[DeploymentSpec]) -> dict[str, Askable]:
    """Those that a file describes, as they will be."""
    return {
        spec.name: Askable(
            DeploymentFacts(
                name=spec.name,
                zone=spec.zone,
                clearance=spec.wanted_clearance(),
                endpoints=spec.endpoints,
                evidence=spec.evidence,
                enabled=spec.enabled,
            ),
            spec.provider,
        )
        for spec in specs
    }


def classes_in(value: object) -> set[str]:
    """The data classes of the model recognizers below an owner's entry, whatever else is wrong."""
    entries = value.get("model_recognizers") if isinstance(value, dict) else None
    found: set[str] = set()
    for entry in entries.values() if isinstance(entries, dict) else ():
        finds = entry.get("finds") if isinstance(entry, dict) else None
        for each in finds if isinstance(finds, list) else ():
            if isinstance(each, dict) and isinstance(each.get("data_class"), str):
                found.add(each["data_class"])
    return found


def read_model_recognizers(
    place: Place,
    *,
    categories: Collection[str],
    taken: Collection[str],
    askable: Mapping[str, Askable],
    granted: Collection[str] | None,
) -> dict[str, ModelRecognizer]:
    """The model recognizers of one owner; `granted` None: the organisation, which needs no grant.

    `taken` are data classes that other recognizers have.
    """
    if not isinstance(place.value, dict):
        place.refuse("This is not a mapping.", "Write the name of a recognizer, then what it is.")
        return {}
    found: dict[str, ModelRecognizer] = {}
    classes = set(taken)
    for name, value in place.value.items():
        at = place.at(str(name), value)
        item = _read(at, str(name))
        if item is None:
            continue
        problems = check_model_recognizer(item, categories=categories, taken=classes)
        known = askable.get(item.deployment)
        problem = deployment_problem(
            item,
            known.facts if known is not None else None,
            provider=known.provider if known is not None else "",
            granted=granted is None or item.deployment in granted,
            now=timezone.now(),
        )
        for each in [*problems, *([problem] if problem is not None else [])]:
            pointer = at.pointer if each.field == "/name" else at.pointer + each.field
            replace(at, pointer=pointer).refuse(each.sentence, each.advice)
        found[item.name] = item
        classes |= classes_of([item]).keys()
    return found


def _read(at: Place, name: str) -> ModelRecognizer | None:
    before = len(at.problems)
    fields = at.fields(MODEL, required=("deployment", "asks", "finds"))
    asks = fields["asks"].word([each.value for each in Asks], "kind") if "asks" in fields else None
    item = ModelRecognizer(
        name=name,
        deployment=(fields["deployment"].text(what="a deployment") or "")
        if "deployment" in fields
        else "",
        asks=Asks(asks) if asks else Asks.CLASSIFY,
        labels=_texts(fields, "labels"),
        finds=tuple(_finds(each) for each in fields["finds"].items()) if "finds" in fields else (),
        window=_whole(fields, "window", DEFAULT_WINDOW),
        overlap=_whole(fields, "overlap", DEFAULT_OVERLAP),
        timeout_s=_number(fields, "timeout_s", DEFAULT_TIMEOUT_S),
    )
    return item if len(at.problems) == before else None


def _finds(at: Place) -> Finds:
    fields = at.fields(FINDS, required=("data_class", "category"))
    return Finds(
        data_class=(fields["data_class"].text() or "") if "data_class" in fields else "",
        category=(fields["category"].text() or "") if "category" in fields else "",
        labels=_texts(fields, "labels"),
        at_least=_number(fields, "at_least", DEFAULT_AT_LEAST),
        what=(fields["what"].text() or "") if "what" in fields else "",
    )


def _texts(fields: Mapping[str, Place], name: str) -> tuple[str, ...]:
    if name not in fields:
        return ()
    return tuple(text for item in fields[name].items() if (text := item.text()))


def _whole(fields: Mapping[str, Place], name: str, default: int) -> int:
    return (fields[name].integer() or 0) if name in fields else default


def _number(fields: Mapping[str, Place], name: str, default: float) -> float:
    if name not in fields:
        return default
    value = fields[name].value
    if isinstance(value, bool) or not isinstance(value, int | float):
        fields[name].refuse("This is not a number.", "Write a number such as 0.5.")
        return default
    return float(value)


def as_data(recognizers: Models) -> dict[str, dict[str, Any]]:
    """As the file writes them; what has its default is left out."""
    return {name: shown(item) for name, item in recognizers.items()}


def shown(item: ModelRecognizer) -> dict[str, Any]:
    """One of them without its name."""
    plain = ModelRecognizer(name="", deployment="", asks=item.asks, finds=())
    data: dict[str, Any] = {"deployment": item.deployment, "asks": item.asks.value}
    if item.labels:
        data["labels"] = list(item.labels)
    data["finds"] = [_shown_finds(each) for each in item.finds]
    for field in ("window", "overlap", "timeout_s"):
        if getattr(item, field) != getattr(plain, field):
            data[field] = getattr(item, field)
    return data


def _shown_finds(finds: Finds) -> dict[str, Any]:
    data: dict[str, Any] = {"data_class": finds.data_class, "category": finds.category}
    if finds.labels:
        data["labels"] = list(finds.labels)
    if finds.at_least != DEFAULT_AT_LEAST:
        data["at_least"] = finds.at_least
    if finds.what:
        data["what"] = finds.what
    return data


def plan_models(slug: str, before: Models, after: Models | None) -> Iterator[Step]:
    """What is defined or changed; `slug` empty: the organisation's. Behind deployments and grants,
    before the policies, which may name what is new."""
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


def plan_removals_of_models(slug: str, before: Models, after: Models | None) -> Iterator[Step]:
    """What the file does not have any more. After the policies, which may have named it."""
    for name in before if after is not None else ():
        if after is not None and name not in after:
            yield Step(
                verb=Verb.REMOVE,
                subject=_subject(slug, name),
                widens=("its classes are found no more",),
                run=_remove(slug, name),
            )


def unaskable(models: Mapping[str, Models], askable: Mapping[str, Askable]) -> Iterator[str]:
    """A sentence for each that asks what may not be asked. `models`: by owner, as in a file."""
    for slug, owned in models.items():
        for item in owned.values():
            known = askable.get(item.deployment)
            problem = deployment_problem(
                item,
                known.facts if known is not None else None,
                provider=known.provider if known is not None else "",
                granted=True,
                now=timezone.now(),
            )
            if problem is not None:
                yield (
                    f"{_subject(slug, item.name)} can ask nobody: {problem.sentence} What it "
                    "should judge counts as opaque."
                )


def _subject(slug: str, name: str) -> str:
    return f"model recognizer {name} of {slug or 'the organisation'}"


def _lines(had: ModelRecognizer | None, item: ModelRecognizer) -> Iterator[str]:
    classes = ", ".join(sorted(classes_of([item])))
    if had is None:
        yield f"asks {item.deployment} ({item.asks}) for {classes}"
        return
    for field in ("deployment", "asks", "window", "overlap", "timeout_s"):
        if getattr(had, field) != getattr(item, field):
            yield arrow(field, getattr(had, field), getattr(item, field))
    if had.labels != item.labels:
        yield f"labels: {len(had.labels)} -> {len(item.labels)}"
    if had.finds != item.finds:
        yield arrow("finds", ", ".join(sorted(classes_of([had]))), classes)


def _widens(had: ModelRecognizer, item: ModelRecognizer) -> Iterator[str]:
    """Every change of a model may find less; only what plainly finds more is no widening."""
    before = {each.data_class: each for each in had.finds}
    after = {each.data_class: each for each in item.finds}
    for name, each in before.items():
        new = after.get(name)
        if new is not None and new.category != each.category:
            yield f"{name} was of category {each.category}"
    more = all(
        (new := after.get(name)) is not None
        and set(each.labels) <= set(new.labels)
        and new.at_least <= each.at_least
        and new.what == each.what
        for name, each in before.items()
    )
    same = (had.deployment, had.asks, had.labels, had.window, had.overlap) == (
        *(item.deployment, item.asks, item.labels, item.window, item.overlap),
    )
    if not (more and same):
        yield "it may find less than before"


def _owner(slug: str) -> Project | None:
    return Project.objects.get(slug=slug) if slug else None


def _set(slug: str, item: ModelRecognizer) -> Run:
    def run(authority: Authority) -> None:
        try:
            set_model_recognizer(
                by=authority.by,
                project=_owner(slug),
                recognizer=item,
                # Judged when the file was read: the category may come with a policy in it.
                categories={each.category for each in item.finds},
            )
        except (RecognizerRefused, RecognizerInUse) as error:
            raise ValidationError(str(error)) from error

    return run


def _remove(slug: str, name: str) -> Run:
    def run(authority: Authority) -> None:
        try:
            remove_model_recognizer(by=authority.by, project=_owner(slug), name=name)
        except RecognizerInUse as error:
            raise ValidationError(str(error)) from error

    return run
