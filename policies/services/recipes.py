"""Recipes for a policy: what may fill their blanks there, and what a filled one would do.

The organisation's are filled as in a project without rules that is granted everything.

Nothing is saved: what comes out is a document for a draft, judged as a publication would.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

from gateway.accounts.acting import Acting
from gateway.accounts.models import Group, Project
from gateway.deployments.models import Deployment
from gateway.inference.contracts import ProjectView
from policies.classification.examples import EXAMPLES
from policies.engine.blanks import Situation
from policies.engine.document import DocumentError, Problem
from policies.engine.recipes import RECIPES, Built, Recipe
from policies.services.editing import first_document, working_document
from policies.services.judging import NotPublished, bare_view, judge, view_in
from policies.services.overview import named_document
from policies.services.publishing import require_author
from policies.services.reading import known_names, read_for_organisation
from policies.services.views import read_shared


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooked:
    """A filled recipe, the policy's document with it, and what would keep that from taking
    effect (nothing: it could be published)."""

    built: Built
    document: Mapping[str, object]
    problems: tuple[Problem, ...]


def offered(*, by: Acting, project: Project | None) -> list[dict[str, object]]:
    """Every recipe with its blanks and what each may hold in the project or, with None, in the
    organisation's policy. Whoever may edit it may. Some queries. Raises PermissionDenied."""
    require_author(by, project)
    situation = _situation(project, working_document(project))
    return [_described(recipe, situation) for recipe in RECIPES.values()]


def cook(
    *, by: Acting, project: Project | None, recipe: str, answers: Mapping[str, object]
) -> Cooked | None:
    """What the filled recipe adds to the draft, or to the policy where there is none.

    None: there is no such recipe. Whoever may edit it may. Raises PermissionDenied, WrongAnswer.
    Changes nothing; judging takes up to some seconds of CPU.
    """
    require_author(by, project)
    known = RECIPES.get(recipe)
    if known is None:
        return None
    before = working_document(project)
    built = known.build(answers, _situation(project, before))
    document = _with(before, built)
    return Cooked(built=built, document=document, problems=tuple(_problems(document, project)))


def _situation(project: Project | None, document: Mapping[str, object]) -> Situation:
    try:
        view = _view(project, document)
    except ValueError:
        # A draft that does not read says nothing about what there is. What the organisation has
        # in effect may not read either; then it is being mended here.
        current = named_document(project, "current") if project is not None else None
        view = _view(project, current)
    return Situation(
        policy=view.policy,
        data_classes=view.analyser.data_classes,
        groups=tuple(Group.objects.values_list("slug", flat=True)),
        examples=EXAMPLES,
    )


def _view(project: Project | None, document: Mapping[str, object] | None) -> ProjectView:
    deployments = list(Deployment.objects.all())
    if project is not None:
        return view_in(project, read_shared(deployments), document)
    read = read_for_organisation(document or first_document(None), known_names())
    return bare_view(read_shared(deployments, organisation=read))


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


def _problems(document: Mapping[str, object], project: Project | None) -> list[Problem]:
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
