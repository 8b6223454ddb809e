"""Models that are shown the texts of requests: checked, kept, taken away (semantic rule 10).

INVARIANT: a recognizer is saved only while its deployment may be asked: on_prem, switched on,
cleared for everything, and for a project's own one granted to it. What changes afterwards is looked
at for every request, and makes texts opaque.
"""

from collections.abc import Collection
from datetime import datetime

from django.utils import timezone

from gateway.accounts.acting import Acting
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import Project
from gateway.audit.event_types import EventType
from gateway.deployments.models import Deployment, Grant, Provider
from policies.classification.custom_checks import RecognizerProblem
from policies.classification.model_checks import check_model_recognizer
from policies.classification.model_recognizers import Asks, ModelRecognizer, classes_of
from policies.engine.facts import DeploymentFacts, Endpoint
from policies.engine.labels import Taxonomy
from policies.engine.scanning import why_not_asked
from policies.models import CustomRecognizer, WordList
from policies.models import ModelRecognizer as Row
from policies.services.recognizers import (
    RecognizerRefused,
    known_categories,
    require_no_loss,
    require_owner,
)

# Of one owner: each is a question more before every request.
MAX_MODELS = 5
# Whoever is cleared for every category is cleared for those of any policy.
_WORST = Taxonomy().worst


def model_recognizers_of(project: Project | None) -> tuple[ModelRecognizer, ...]:
    """Those of a project, or (None) the organisation's, by name. Checks no access."""
    rows = Row.objects.filter(project=project).order_by("name")
    return tuple(row.definition() for row in rows)


def check(
    item: ModelRecognizer, *, project: Project | None, categories: Collection[str] | None = None
) -> list[RecognizerProblem]:
    """Everything that is wrong with it for this project, or (None) for the organisation.

    `categories` are those that it may name; None: those of the policies in effect. Reads the
    database.
    """
    known = known_categories(project) if categories is None else categories
    problems = check_model_recognizer(item, categories=known, taken=_taken(item.name, project))
    row = Deployment.objects.filter(name=item.deployment).first()
    granted = (
        project is None
        or Grant.objects.filter(project=project, deployment__name=item.deployment).exists()
    )
    problem = deployment_problem(
        item,
        row.facts() if row is not None else None,
        provider=row.provider if row is not None else "",
        granted=granted,
        now=timezone.now(),
    )
    if problem is not None:
        problems.append(problem)
    if Row.objects.filter(project=project).exclude(name=item.name).count() >= MAX_MODELS:
        problems.append(
            RecognizerProblem(
                "", f"There are {MAX_MODELS} model recognizers already.", "Take one away first."
            )
        )
    return problems


def deployment_problem(
    item: ModelRecognizer,
    facts: DeploymentFacts | None,
    *,
    provider: str,
    granted: bool,
    now: datetime,
) -> RecognizerProblem | None:
    """Why this deployment may not be asked, or could not answer; None: it may and can. No I/O."""
    where = "/deployment"
    if not granted:
        return RecognizerProblem(
            where,
            f"The project is not granted {item.deployment}.",
            "Add it to the project's grants, or name another.",
        )
    reason = why_not_asked(item.deployment, facts, worst=_WORST, now=now)
    if reason is not None or facts is None:
        return RecognizerProblem(
            where,
            reason or "",
            "Name one that is on_prem, enabled, and cleared for restricted and all categories.",
        )
    if provider != Provider.OPENAI_COMPATIBLE.value:
        return RecognizerProblem(
            where, f"{item.deployment} goes through LiteLLM.", "Name an OpenAI-compatible server."
        )
    if item.asks is Asks.CHAT and Endpoint.CHAT_COMPLETIONS.value not in facts.endpoints:
        return RecognizerProblem(
            where, f"{item.deployment} serves no chat.", "Use `classify` or `token_classify`."
        )
    return None


def set_model_recognizer(
    *,
    by: Acting,
    project: Project | None,
    recognizer: ModelRecognizer,
    categories: Collection[str] | None = None,
) -> None:
    """Define one, or replace the one of this name. `project` None: for every project.

    Editors may for their project, admins for the organisation. `categories` as in `check`. Raises
    PermissionDenied, RecognizerRefused, RecognizerInUse.
    """
    require_owner(by, project)
    with changing():
        problems = check(recognizer, project=project, categories=categories)
        if problems:
            raise RecognizerRefused(problems)
        before = Row.objects.filter(project=project, name=recognizer.name).first()
        had = classes_of([before.definition()]) if before is not None else {}
        row, _ = Row.objects.update_or_create(
            project=project, name=recognizer.name, defaults=_fields(recognizer)
        )
        require_no_loss(had.keys() - classes_of([recognizer]).keys(), project)
        record_change(
            by,
            EventType.MODEL_RECOGNIZER_CHANGED,
            "model_recognizer",
            row.pk,
            project=project.slug if project is not None else "",
            name=recognizer.name,
            deployment=recognizer.deployment,
            asks=recognizer.asks.value,
            classes=sorted(classes_of([recognizer])),
            before=before.deployment if before is not None else "",
        )


def remove_model_recognizer(*, by: Acting, project: Project | None, name: str) -> None:
    """Take one away; its classes are found no more. Editors may, admins for the organisation.

    One that is not there is no error. Raises PermissionDenied, RecognizerInUse.
    """
    require_owner(by, project)
    with changing():
        row = Row.objects.filter(project=project, name=name).first()
        if row is None:
            return
        key, item = row.pk, row.definition()
        row.delete()
        classes = sorted(classes_of([item]))
        require_no_loss(classes, project)
        record_change(
            by,
            EventType.MODEL_RECOGNIZER_REMOVED,
            "model_recognizer",
            key,
            project=project.slug if project is not None else "",
            name=name,
            deployment=item.deployment,
            classes=classes,
        )


def _fields(item: ModelRecognizer) -> dict[str, object]:
    return {
        "deployment": item.deployment,
        "asks": item.asks.value,
        "labels": list(item.labels),
        "finds": [
            {
                "data_class": each.data_class,
                "category": each.category,
                "labels": list(each.labels),
                "at_least": each.at_least,
                "what": each.what,
            }
            for each in item.finds
        ],
        "window": item.window,
        "overlap": item.overlap,
        "timeout_s": item.timeout_s,
    }


def _taken(name: str, project: Project | None) -> set[str]:
    """Classes that a model recognizer of this name may not have."""
    found: set[str] = set()
    for owner in {None, project}:
        patterns = CustomRecognizer.objects.filter(project=owner)
        found |= {row.definition().data_class for row in patterns}
        models = Row.objects.filter(project=owner)
        if owner == project:
            models = models.exclude(name=name)
        found |= classes_of(row.definition() for row in models).keys()
    if project is not None:
        found |= {row.as_list().data_class for row in WordList.objects.filter(project=project)}
    return found
