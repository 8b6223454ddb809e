"""The draft's page: rules and statements changed by forms, the same as YAML, checked, published.

Every change is saved into the draft at once and is in no effect. A form names the version that it
was made from, so that nobody overwrites another person unseen.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from frontend.policies.drafting import Came, act, as_yaml, number_of
from frontend.policies.expectation_form import (
    ExpectationForm,
    expectation_form,
    lines_of_tests,
)
from frontend.policies.places import address, project_to_edit, whose
from frontend.policies.rule_fields import selector_of, statement_fields
from frontend.policies.rule_form import NeverForm
from frontend.policies.saving import save
from frontend.policies.trying import projects_to_try, try_it
from gateway.accounts.models import Project, User
from gateway.deployments.models import ModelAlias
from policies.services import editing
from policies.services.conflicts import Conflict
from policies.services.differences import difference
from policies.services.drafts import draft_of
from policies.services.overview import named_document
from policies.services.reading import current_revision, known_names

Given = Mapping[str, str]


@never_cache
@login_required
@sensitive_post_parameters("text")
@require_http_methods(["GET", "HEAD", "POST"])
def draft_page(request: HttpRequest, slug: str | None = None) -> HttpResponse:
    """The draft of a project's policy or, without a slug, of the organisation's."""
    user = cast("User", request.user)
    project = project_to_edit(user, slug)
    came = Came()
    extra: dict[str, Any] = {}
    if request.method == "POST":
        given = {key: str(value) for key, value in request.POST.items()}
        name = given.get("act", "")
        if name == "try":
            extra["trial"] = try_it(given, user=user, project=project)
            if request.headers.get("hx-request"):
                return render(request, "trial/trial.html", extra)
        elif name == "never":
            came, extra["never_form"] = _state_never(request, user, project)
        elif name == "test-add":
            came, extra["expectation_form"] = _add_test(request, user, project)
        elif name in _CHANGES:
            came = _change(name, given, user, project)
        else:
            came = act(name, given, by=user, project=project)
        if came.done and not came.problems and name != "check":
            messages.success(request, came.done)
            gone = name in {"publish", "discard"}
            to = address("policy" if gone else "policy-draft", project)
            return HttpResponseRedirect(to + _fragment(name))
    context = _context(request, user, project, came) | extra
    return render(request, "frontend/policies/draft.html", context, status=came.status)


def _fragment(name: str) -> str:
    return {
        "never": "#never",
        "never-remove": "#never",
        "test-add": "#tests",
        "test-remove": "#tests",
        "save": "#edit",
    }.get(name, "")


def _change(name: str, given: Given, user: User, project: Project | None) -> Came:
    """A button beside a rule or statement."""
    try:
        at = number_of(given.get("at", ""))
        document = _CHANGES[name](editing.working_document(project), at)
        return save(document, given, by=user, project=project)
    except LookupError:
        return Came(problems=[_("This is not there any more: somebody else changed the draft.")])
    except Conflict as error:
        return Came(problems=[str(error)], conflict=True)
    except ValidationError as error:
        return Came(problems=list(error.messages))


_CHANGES: Mapping[str, Callable[[editing.Document, int], editing.Document]] = {
    "rule-up": lambda document, at: editing.moved_part(document, "rules", at, -1),
    "rule-down": lambda document, at: editing.moved_part(document, "rules", at, 1),
    "rule-remove": lambda document, at: editing.without_part(document, "rules", at),
    "never-remove": lambda document, at: editing.without_part(document, "never", at),
    "test-remove": lambda document, at: editing.without_part(document, "tests", at),
}


def _state_never(
    request: HttpRequest, user: User, project: Project | None
) -> tuple[Came, NeverForm]:
    form = never_form(project, request.POST)
    if not form.is_valid():
        return Came(problems=[_("The statement is not complete.")]), form
    given = form.cleaned_data
    label: dict[str, Any] = {}
    if given["never_least"]:
        label["at_least"] = given["never_least"]
    if given["never_categories"]:
        label["category"] = given["never_categories"]
    document = editing.working_document(project)
    written = request.POST.get("at", "")
    try:
        at = number_of(written) if written else None
        document = editing.with_part(document, "never", {"label": label, **selector_of(given)}, at)
        came = save(document, cast("Given", request.POST), by=user, project=project)
    except LookupError:
        came = Came(problems=[_("This statement is not there any more.")])
    except Conflict as error:
        came = Came(problems=[str(error)], conflict=True)
    except ValidationError as error:
        came = Came(problems=list(error.messages))
    return came, form


def _add_test(
    request: HttpRequest, user: User, project: Project | None
) -> tuple[Came, ExpectationForm]:
    form = expectation_form(project, request.POST)
    if not form.is_valid():
        return Came(problems=[_("The test is not complete.")]), form
    document = editing.with_part(editing.working_document(project), "tests", form.as_part(), None)
    given = cast("Given", request.POST)
    try:
        return save(document, given, by=user, project=project), form
    except Conflict as error:
        return Came(problems=[str(error)], conflict=True), form
    except ValidationError as error:
        return Came(problems=list(error.messages)), form


def never_form(project: Project | None, data: Any = None, at: int | None = None) -> NeverForm:
    """The form of a statement: empty, of the one at `at`, or as it was sent."""
    initial: dict[str, Any] = {"zones": ["cloud", "private_cloud"]}
    if at is not None:
        statements = editing.parts(editing.working_document(project), "never")
        initial = statement_fields(statements[at]) if at < len(statements) else initial
    form = NeverForm(data, initial=initial)
    form.offer(editing.names_of(project), initial)
    return form


def _context(
    request: HttpRequest, user: User, project: Project | None, came: Came
) -> dict[str, Any]:
    draft = draft_of(project)
    current = named_document(project, "current")
    document = editing.working_document(project)
    revision = current_revision(project)
    number = revision.number if revision is not None else 0
    written = request.POST.get("document") if came.problems or came.verdict else None
    chosen = request.GET.get("statement", "")
    at = int(chosen) if chosen.isdecimal() and len(chosen) < 5 else None
    known = known_names()
    return whose(project) | {
        "draft": draft,
        "version": draft.version if draft is not None else 0,
        "number": number,
        "behind": draft is not None and (draft.base.number if draft.base else 0) != number,
        "rules": editing.rule_lines_of(document, project=project),
        "removed": _removed(current, document),
        "never": editing.never_lines_of(document, project=project),
        "never_form": never_form(project, at=at),
        "never_at": at,
        "tests": list(lines_of_tests(document)),
        "expectation_form": expectation_form(project),
        "differences": difference(current, draft.document, known).sentences if draft else (),
        "written": written if written is not None else as_yaml(document),
        "aliases": list(ModelAlias.objects.order_by("name").values_list("name", flat=True)),
        "scope": "organisation" if project is None else "project",
        "against_draft": True,
        "projects_to_try": projects_to_try(user) if project is None else (),
        "came": came,
        "given": request.POST if request.method == "POST" else {},
    }


def _removed(current: Mapping[str, Any] | None, document: editing.Document) -> list[str]:
    """Rules in effect that the draft has not any more."""
    left = {rule.get("id") for rule in editing.parts(document, "rules") if isinstance(rule, dict)}
    return [
        str(rule["id"])
        for rule in editing.parts(current or {}, "rules")
        if isinstance(rule, dict) and rule.get("id") not in left
    ]
