"""A policy document changed in one place, as forms do it. Pure but for reading names.

What comes out is a document of its own; the one that went in stays as it was. Nothing is saved and
nothing is judged here.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from gateway.accounts.models import Project
from policies.engine.document import DocumentError, KnownNames, Problem, parse_document
from policies.engine.sentences import never_sentence, rule_sentence
from policies.services.overview import named_document
from policies.services.reading import known_names, names_for_projects, only_of_project, validate

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftLine:
    """A rule or statement of a document that may be wrong. `at`: its place in its list.

    `state` against what is in effect: `new`, `changed`, `same`. `problems`: why it does not read;
    then there is no sentence.
    """

    at: int
    id: str
    sentence: str
    state: str
    shadow: bool = False
    recipe: str = ""
    problems: tuple[str, ...] = ()
    plain: bool = True  # a statement that a form can show


def first_document(project: Project | None) -> dict[str, Any]:
    """What a policy that was never written begins with."""
    if project is None:
        return {"kind": "organisation-policy", "rules": [], "never": []}
    return {"kind": "project-policy", "project": project.slug, "rules": [], "never": []}


def working_document(project: Project | None) -> Document:
    """What an editor goes on from: the draft, else what is in effect, else an empty policy."""
    return (
        named_document(project, "draft")
        or named_document(project, "current")
        or first_document(project)
    )


def parts(document: Document, section: str) -> list[Any]:
    """The list under `rules`, `never` or `tests`; empty where there is none, or no list."""
    found = document.get(section)
    return list(found) if isinstance(found, list) else []


def with_part(
    document: Document, section: str, part: Mapping[str, Any], at: int | None
) -> Document:
    """The part in place of the one at `at`, or at the end. Raises LookupError for no such place."""
    found = parts(document, section)
    if at is None:
        found.append(dict(part))
    else:
        found[_place(found, at)] = dict(part)
    return _with(document, section, found)


def without_part(document: Document, section: str, at: int) -> Document:
    """Without the part at `at`. Raises LookupError for no such place."""
    found = parts(document, section)
    del found[_place(found, at)]
    return _with(document, section, found)


def moved_part(document: Document, section: str, at: int, by: int) -> Document:
    """The part at `at` so many places further on; beyond the ends it stays at the end."""
    found = parts(document, section)
    part = found.pop(_place(found, at))
    found.insert(min(max(at + by, 0), len(found)), part)
    return _with(document, section, found)


def problems_of_part(
    document: Document, section: str, at: int, *, project: Project | None
) -> tuple[Problem, ...]:
    """What is wrong with one part of a document, whatever else is. Reads the database."""
    try:
        validate(document, project=project)
    except DocumentError as error:
        own = f"/{section}/{at}"
        return tuple(
            problem
            for problem in error.problems
            if problem.pointer == own or problem.pointer.startswith(f"{own}/")
        )
    return ()


def rule_lines_of(document: Document, *, project: Project | None) -> list[DraftLine]:
    """The rules of a document in words, each read by itself. Some queries."""
    before = {_id(rule): rule for rule in parts(_current(project), "rules")}
    known = names_of(project)
    return [
        _line(document, "rules", at, rule, known, _state(rule, before.get(_id(rule))))
        for at, rule in enumerate(parts(document, "rules"))
    ]


def never_lines_of(document: Document, *, project: Project | None) -> list[DraftLine]:
    """The statements of a document in words, each read by itself. Some queries."""
    before = parts(_current(project), "never")
    known = names_of(project)
    return [
        _line(document, "never", at, part, known, "same" if part in before else "new")
        for at, part in enumerate(parts(document, "never"))
    ]


def names_of(project: Project | None) -> KnownNames:
    """The names that a new document may use. Some queries."""
    if project is None:
        return known_names()
    try:
        return only_of_project(names_for_projects(), project)
    except DocumentError:
        return only_of_project(known_names(), project)


def _line(
    document: Document, section: str, at: int, part: Any, known: KnownNames, state: str
) -> DraftLine:
    """One part, read in a document that has nothing else but what it may lean on."""
    name = _id(part)
    alone = {key: document[key] for key in ("kind", "project", "categories") if key in document} | {
        section: [part]
    }
    try:
        read = parse_document(alone, known)
    except DocumentError as error:
        told = tuple(_told(error.problems))
        return DraftLine(at=at, id=name, sentence="", state=state, problems=told)
    if section == "never":
        plain = set(part["label"]) <= {"at_least", "category"}
        sentence = never_sentence(read.never[0])
        return DraftLine(at=at, id=name, sentence=sentence, state=state, plain=plain)
    rule = read.rules[0]
    return DraftLine(
        at=at,
        id=rule.id,
        sentence=rule_sentence(rule),
        state=state,
        shadow=rule.shadow,
        recipe=rule.recipe.id if rule.recipe is not None else "",
    )


def _told(problems: Sequence[Problem]) -> Iterator[str]:
    for problem in problems:
        yield f"{problem.sentence} {problem.advice}".strip()


def _state(part: Any, before: Any) -> str:
    if before is None:
        return "new"
    return "same" if part == before else "changed"


def _current(project: Project | None) -> Document:
    return named_document(project, "current") or {}


def _id(part: Any) -> str:
    name = part.get("id") if isinstance(part, Mapping) else None
    return name if isinstance(name, str) else ""


def _place(found: Sequence[Any], at: int) -> int:
    if not 0 <= at < len(found):
        raise LookupError(at)
    return at


def _with(document: Document, section: str, found: list[Any]) -> Document:
    return {**deepcopy(dict(document)), section: found}
