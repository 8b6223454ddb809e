"""A page for each policy: what is in effect, shown to whoever belongs to it, with its history."""

from collections.abc import Mapping
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from frontend.policies import life, organisation_shadow
from frontend.policies.drafting import Came, act, as_yaml
from frontend.policies.matrix import levels, matrix_of
from frontend.policies.places import may_edit, project_to_see, whose
from frontend.policies.trying import Trial, projects_to_try, try_it
from gateway.accounts.models import Project, User
from gateway.accounts.services.evidence import audited_projects
from gateway.deployments.models import ModelAlias, WaitingState
from policies.services.differences import difference
from policies.services.drafts import draft_of
from policies.services.overview import named_document, overview, revisions_of
from policies.services.publications import may_review
from policies.services.reading import known_names
from policies.services.waiting_exceptions import waiting_exceptions_for

MAX_REVISIONS = 30
Given = Mapping[str, str]


@never_cache
@login_required
@sensitive_post_parameters("text")
@require_http_methods(["GET", "HEAD", "POST"])
def policy_page(request: HttpRequest, slug: str | None = None) -> HttpResponse:
    """The policy of a project or, without a slug, the organisation's."""
    user = cast("User", request.user)
    project = project_to_see(user, slug)
    came = Came()
    trial: Trial | None = None
    form = None
    if request.method == "POST":
        given = {key: str(value) for key, value in request.POST.items()}
        name = given.get("act", "")
        if name == "try":
            trial = try_it(given, user=user, project=project)
        elif name == "exception-add" and project is not None:
            form = life.exception_form(project, user, request.POST)
            came = life.add_exception(form, by=user, project=project)
        elif name in life.ACTS and project is not None:
            came = life.ACTS[name](given, by=user, project=project)
        elif name in {"shadow-start", "shadow-end"}:
            came = organisation_shadow.act(name, request, by=user)
        else:
            came = act(name, given, by=user, project=project)
        if came.done and not came.problems:
            messages.success(request, came.done)
            return HttpResponseRedirect(request.path)
    context = _context(request, user, project)
    context |= {"trial": trial, "came": came}
    if form is not None:
        context["exception_form"] = form
    if trial is not None and request.headers.get("hx-request"):
        return render(request, "trial/trial.html", context)
    return render(request, "frontend/policies/policy.html", context, status=came.status)


@never_cache
@login_required
@require_safe
def diff_page(request: HttpRequest, slug: str | None = None) -> HttpResponse:
    """How any two of a policy's revisions, what is in effect, and the draft differ."""
    user = cast("User", request.user)
    project = project_to_see(user, slug)
    editor = may_edit(user, project)
    revisions = list(revisions_of(project))
    choices = [("current", _("what is in effect"))]
    choices += [(str(each.number), _revision(each)) for each in revisions]
    draft = draft_of(project) if editor else None
    if draft is not None:
        choices.append(("draft", _("the draft")))
    names = {name for name, _word in choices}
    after = request.GET.get("after", "draft" if draft is not None else "current")
    first = str(revisions[1].number) if len(revisions) > 1 else "current"
    before = request.GET.get("before", "current" if draft is not None else first)
    context = whose(project) | {
        "may_edit": editor,
        "version": draft.version if draft is not None else 0,
        "choices": choices,
        "before": before,
        "after": after,
    }
    if {before, after} <= names:
        documents = named_document(project, before), named_document(project, after) or {}
        found = difference(*documents, known_names())
        context |= {"found": found, "unified": _unified(*documents)}
    else:
        context["problem"] = _("There is no such revision.")
    status = 404 if "problem" in context else 200
    return render(request, "frontend/policies/diff.html", context, status=status)


def _revision(row: Any) -> str:
    words = _("revision %(number)d, %(day)s")
    return words % {"number": row.number, "day": f"{row.created_at:%Y-%m-%d}"}


def _unified(before: Any, after: Any) -> list[tuple[str, str]]:
    """The two as YAML, line by line: `same`, `gone`, `come`."""
    import difflib  # noqa: PLC0415 -- for this page alone

    kinds = {"-": "gone", "+": "come", "@": "skip"}
    lines = difflib.unified_diff(
        as_yaml(before or {}).splitlines(), as_yaml(after).splitlines(), lineterm="", n=3
    )
    shown = [line for line in lines if not line.startswith(("---", "+++"))]
    return [
        (kinds.get(line[:1], "same"), "⋯" if line.startswith("@@") else line[1:]) for line in shown
    ]


def _context(request: HttpRequest, user: User, project: Project | None) -> dict[str, Any]:
    own = overview(project)
    editor = may_edit(user, project)
    audited = {each.slug for each in audited_projects(user)} if project is not None else set()
    if project is None:
        beside = organisation_shadow.seen(request, user)
    else:
        # What was counted over requests is for editors and for those who audit.
        sees = editor or project.slug in audited
        beside = {"shadow": life.shadow_shown(project) if sees else None}
    version = own.draft.version if own.draft is not None and editor else 0
    number = own.revision.number if own.revision is not None else 0
    return whose(project) | {
        "own": own,
        "organisation": overview(None) if project is not None else None,
        "levels": levels(),
        "matrix": matrix_of(project),
        "aliases": list(ModelAlias.objects.order_by("name").values_list("name", flat=True)),
        "projects_to_try": projects_to_try(user) if project is None else (),
        "yaml": as_yaml(named_document(project, "current") or {}) if own.revision else "",
        "may_edit": editor,
        "may_review": may_review(user),
        "may_audit": project is not None and project.slug in audited,
        "version": version,
        "number": number,
        "for_shadow": life.may_be_in_shadow(project, version, number) if editor else (),
        "revisions": revisions_of(project)[:MAX_REVISIONS],
        "waiting_exceptions": waiting_exceptions_for(user).filter(
            project=project, state=WaitingState.WAITING
        )
        if project is not None
        else (),
        "exception_form": life.exception_form(project, user) if editor and project else None,
        "oddities": life.oddities(project) if editor and "lint" in request.GET else None,
        "given": request.POST if request.method == "POST" else {},
        **beside,
    }
