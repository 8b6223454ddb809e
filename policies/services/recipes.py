"""Recipes for a project: what may fill their blanks there, and what a filled one would do.

Nothing is saved: what comes out is a document for a draft, judged as a publication would.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

from gateway.accounts.access import require
from gateway.accounts.acting import Acting
from gateway.accounts.models import Group, Project
from gateway.accounts.roles import Role
from gateway.deployments.models import Deployment
from policies.engine.blanks import Situation
from policies.engine.document import DocumentError, Problem
from policies.engine.recipes import RECIPES, Built, Recipe
from policies.services.drafts import draft_of
from policies.services.judging import NotPublished, judge, view_in
from policies.services.reading import current_revision
from policies.services.views import read_shared


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooked:
    """A filled recipe, the project's document with it, and what would keep that from taking
    effect (nothing: it could be published)."""

    built: Built
    document: Mapping[str, object]
    problems: tuple[Problem, ...]


def offered(*, by: Acting, project: Project) -> list[dict[str, object]]:
    """Every recipe with its blanks and what each may hold here. Editors may. Some queries."""
    require(by, project, Role.EDITOR)
    situation = _situation(project, _document(project))
    return [_described(recipe, situation) for recipe in RECIPES.values()]


def cook(
    *, by: Acting, project: Project, recipe: str, answers: Mapping[str, object]
) -> Cooked | None:
    """What the filled recipe adds to the project's draft, or to its policy where there is none.

    None: there is no such recipe. Editors may. Raises PermissionDenied, WrongAnswer. Changes
    nothing; judging takes up to some seconds of CPU.
    """
    require(by, project, Role.EDITOR)
    known = RECIPES.get(recipe)
    if known is None:
        return None
    before = _document(project)
    built = known.build(answers, _situation(project, before))
    document = _with(before, built)
    return Cooked(built=built, document=document, problems=tuple(_problems(document, project)))


def _document(project: Project) -> dict[str, object]:
    draft = draft_of(project)
    if draft is not None:
        return dict(draft.document)
    current = current_revision(project)
    if current is not None:
        return dict(current.document)
    return {"kind": "project-policy", "project": project.slug}


def _situation(project: Project, document: Mapping[str, object]) -> Situation:
    shared = read_shared(list(Deployment.objects.all()))
    try:
        view = view_in(project, shared, document)
    except ValueError:
        # A draft that does not read says nothing about what there is.
        current = current_revision(project)
        view = view_in(project, shared, None if current is None else current.document)
    return Situation(
        policy=view.policy,
        data_classes=view.analyser.data_classes,
        groups=tuple(Group.objects.values_list("slug", flat=True)),
    )


def _with(before: Mapping[str, object], built: Built) -> dict[str, object]:
    """The document with the built parts; of a rule that it has already there is one."""
    document = deepcopy(dict(before))
    for section, parts in (("rules", built.rules), ("never", built.never), ("tests", built.tests)):
        kept = document.get(section)
        there = list(kept) if isinstance(kept, list) else []
        fresh = {part["id"] for part in parts if "id" in part}
        there = [each for each in there if _id(each) not in fresh]
        there += [part for part in parts if part not in there]
        if there:
            document[section] = there
    return document


def _id(part: object) -> object:
    return part.get("id") if isinstance(part, dict) else None


def _problems(document: Mapping[str, object], project: Project) -> list[Problem]:
    try:
        judge(document, project=project).require(accept_unproven=False)
    except (DocumentError, NotPublished) as refused:
        return list(refused.problems)
    return []


def _described(recipe: Recipe, situation: Situation) -> dict[str, object]:
    return {
        "id": recipe.id,
        "sentence": recipe.sentence,
        "blanks": [
            {"name": name, "kind": kind.value, "choices": situation.choices(kind)}
            for name, kind in recipe.blanks.items()
        ],
    }
