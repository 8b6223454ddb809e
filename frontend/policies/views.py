"""A page for each policy: shown to whoever belongs to it, edited by whoever may."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from frontend.policies.drafting import Came, act, as_yaml
from frontend.policies.matrix import levels, matrix_of
from frontend.policies.trying import Trial, try_it
from gateway.accounts.access import NoSuchProject, get_project_for, may
from gateway.accounts.models import Project, User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.deployments.models import ModelAlias
from policies.services.differences import difference
from policies.services.overview import named_document, overview, revisions_of
from policies.services.publications import may_review
from policies.services.reading import known_names

MAX_REVISIONS = 30


@never_cache
@login_required
@sensitive_post_parameters("text")
@require_http_methods(["GET", "HEAD", "POST"])
def policy_page(request: HttpRequest, slug: str | None = None) -> HttpResponse:
    """The policy of a project or, without a slug, the organisation's."""
    user = cast("User", request.user)
    project = _project(user, slug)
    came, trial = Came(), None
    if request.method == "POST":
        given = request.POST.dict()
        name = str(given.get("act", ""))
        if name == "try":
            trial = _try(given, user, project)
        else:
            came = act(
                name, {key: str(value) for key, value in given.items()}, by=user, project=project
            )
            if came.done and not came.problems and name != "check":
                messages.success(request, came.done)
                return HttpResponseRedirect(request.path)
    context = _context(request, user, project, came)
    context |= {"trial": trial, "came": came}
    if trial is not None and request.headers.get("hx-request"):
        return render(request, "frontend/policies/trial.html", context)
    return render(request, "frontend/policies/policy.html", context, status=came.status)


def _project(user: User, slug: str | None) -> Project | None:
    """None stands for the organisation."""
    if slug is None:
        if user.organisation_role == OrganisationRole.NONE:
            raise PermissionDenied(_("This policy is shown to the organisation's people."))
        return None
    for least in (Role.MEMBER, Role.AUDITOR):
        try:
            return get_project_for(user, slug, least)
        except PermissionDenied:
            continue
    raise NoSuchProject("No such project.")


def _try(given: dict[str, Any], user: User, project: Project | None) -> Trial:
    if project is None:
        return Trial(problem=_("Try it in a project: the organisation has no models of its own."))
    return try_it({key: str(value) for key, value in given.items()}, user=user, project=project)


def _context(
    request: HttpRequest, user: User, project: Project | None, came: Came
) -> dict[str, Any]:
    own = overview(project)
    draft = own.draft
    current = named_document(project, "current")
    document = draft.document if draft is not None else current or _first(project)
    written = request.POST.get("document") if came.problems or came.verdict else None
    number = own.revision.number if own.revision is not None else 0
    return {
        "page": "policy" if project is not None else "organisation-policy",
        "project": project,
        "own": own,
        "organisation": overview(None) if project is not None else None,
        "levels": levels(),
        "matrix": matrix_of(project),
        "aliases": list(ModelAlias.objects.order_by("name").values_list("name", flat=True)),
        "may_edit": user.is_admin if project is None else may(user, project, Role.EDITOR),
        "may_review": may_review(user),
        "written": written if written is not None else as_yaml(document),
        "version": draft.version if draft is not None else 0,
        "number": number,
        "behind": draft is not None and (draft.base.number if draft.base else 0) != number,
        "differences": difference(current, draft.document, known_names()).sentences
        if draft is not None
        else (),
        "revisions": revisions_of(project)[:MAX_REVISIONS],
        "given": request.POST if request.method == "POST" else {},
    }


def _first(project: Project | None) -> dict[str, object]:
    """What a policy that was never written begins with."""
    if project is None:
        return {"kind": "organisation-policy", "rules": [], "never": []}
    return {"kind": "project-policy", "project": project.slug, "rules": [], "never": []}
