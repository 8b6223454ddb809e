"""One deployment: what may go there, who could use it, and everything that is done with it."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from frontend.audit.rows import name_of, names_of
from frontend.deployments.access import Problems, RefusalsInto, who_changes, who_looks
from frontend.deployments.forms import EVERY_KIND, DeploymentForm, initial_of, spec_of_form
from frontend.deployments.meaning import (
    kind_choices,
    level_choices,
    meaning_of,
    stated_otherwise,
    zone_choices,
)
from frontend.deployments.state import clearance_sentence, lines_of
from frontend.deployments.tested import tested_words
from gateway.accounts.models import Project, User
from gateway.deployments.models import Deployment, Grant, ModelAlias, WaitingChange, WaitingState
from gateway.deployments.services import (
    add_grant,
    remove_deployment,
    remove_grant,
    set_alias,
    set_enabled,
)
from gateway.deployments.services.registry import planned_change
from gateway.deployments.services.waiting import (
    Done,
    approve_change,
    change_or_ask,
    create_or_ask,
    may_agree,
    reject_change,
    withdraw_change,
)
from gateway.deployments.spec import DeploymentSpec, facts_of, spec_of
from gateway.deployments.spec_data import spec_from
from gateway.deployments.testing import try_deployment
from policies.engine.facts import NOTHING_CLEARED, Zone
from policies.services.usability import found_categories, minimums_of, shared_with

NEW: Final = DeploymentSpec(
    name="new", base_url="", upstream_model="", zone=Zone.CLOUD, clearance=NOTHING_CLEARED
)


@never_cache
@login_required
@sensitive_post_parameters("credential")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """A deployment that is not there yet."""
    user = who_changes(request)
    return _page(request, user, None)


@never_cache
@login_required
@sensitive_post_parameters("credential")
@require_http_methods(["GET", "HEAD", "POST"])
def one(request: HttpRequest, name: str) -> HttpResponse:
    """One that is there: looked at, changed, tested, granted, agreed to."""
    user = who_looks(request)
    row = Deployment.objects.filter(name=name).first()
    if row is None:
        raise Http404("No such deployment.")
    act = request.POST.get("act", "") if request.method == "POST" else ""
    if act in ACTS:
        problems: Problems = {}
        with RefusalsInto(problems):
            said = ACTS[act](request, user, row)
            messages.success(request, said)
            back = reverse("deployments") if act == "remove" else request.path
            return HttpResponseRedirect(back)
        return _page(request, user, row, problems=problems)
    return _page(request, user, row)


def _page(
    request: HttpRequest, user: User, row: Deployment | None, *, problems: Problems | None = None
) -> HttpResponse:
    act = request.POST.get("act", "") if request.method == "POST" and problems is None else ""
    problems = problems or {}
    before = spec_of(row) if row is not None else None
    shown = before or NEW
    shared = shared_with(facts_of(shown))
    minimums = minimums_of(shared)
    names = sorted(set(minimums) | set(shown.wanted_clearance().categories or ()))
    initial = initial_of(shown)
    if row is None:
        initial |= {"name": "", "enabled": True, "by_its_name": True}
    elif row.proposed:
        initial["enabled"] = True
    data = request.POST if act in {"save", "look"} else None
    form = DeploymentForm(data, initial=initial, categories=names, new=row is None)
    spec, tested = shown, None
    if act in {"save", "look"}:
        who_changes(request)
        if form.is_valid():
            spec = spec_of_form(form.cleaned_data, minimums, before)
            if act == "save":
                with RefusalsInto(problems):
                    return _save(request, user, row, spec, form.cleaned_data)
    elif act == "test" and row is not None:
        tested = tested_words(try_deployment(by=user, deployment=row))
    elif act:
        problems[NON_FIELD_ERRORS] = [_("There is no such button.")]
    given: Any = {**initial, **_given(form)} if form.is_bound else initial
    means = None
    if row is not None or (form.is_bound and form.is_valid()):
        means = meaning_of(spec, row, shared if spec == shown else None)
    context: dict[str, Any] = {
        "page": "deployments",
        "row": row,
        "form": form,
        "problems": problems.pop(NON_FIELD_ERRORS, []),
        "field_problems": [(name, " ".join(said)) for name, said in problems.items()],
        "may_change": user.is_admin,
        "zones": zone_choices(given["zone"]),
        "levels": level_choices(given["sensitivity"]),
        "kinds": kind_choices(minimums, given["categories"], found_categories(shared)),
        "every_kind": EVERY_KIND in given["categories"],
        "means": means,
        "tested": tested,
        **_of_row(user, row),
    }
    if act == "look" and request.headers.get("hx-request"):
        return render(request, "frontend/deployments/means.html", context)
    bad = bool(context["problems"] or problems or (form.is_bound and not form.is_valid()))
    return render(request, "frontend/deployments/one.html", context, status=400 if bad else 200)


def _given(form: DeploymentForm) -> dict[str, Any]:
    """What stands in the form as it was sent, valid or not, of what is drawn as cards."""
    return {
        "zone": form["zone"].value() or "",
        "sensitivity": form["sensitivity"].value() or "",
        "categories": form["categories"].value() or [],
    }


def _of_row(user: User, row: Deployment | None) -> dict[str, Any]:
    if row is None:
        return {}
    granted = set(Grant.objects.filter(deployment=row).values_list("project_id", flat=True))
    waiting = WaitingChange.objects.filter(deployment=row, state=WaitingState.WAITING).first()
    asked: dict[str, Any] = {}
    if waiting is not None:
        spec, before = spec_from(waiting.spec), spec_from(waiting.before)
        asked = {
            "waiting": waiting,
            "waiting_for": clearance_sentence(facts_of(spec)),
            "waiting_zone": spec.zone.value,
            "waiting_stated": stated_otherwise(before, spec),
            "waiting_given": planned_change(before, spec, restate_clearance=True).given,
            "waiting_author": name_of(waiting.author, names_of([waiting.author])),
            "may_agree": may_agree(user, waiting),
        }
    [line] = lines_of([row])
    return {
        **asked,
        "line": line,
        "has_credential": bool(row.credential),
        "projects_granted": [
            (project.slug, project.name, project.pk in granted)
            for project in Project.objects.filter(archived=False).order_by("name")
        ],
        "alias_names": list(row.aliases.order_by("name").values_list("name", flat=True)),
    }


def _save(
    request: HttpRequest,
    user: User,
    row: Deployment | None,
    spec: DeploymentSpec,
    given: Mapping[str, Any],
) -> HttpResponse:
    credential, reason = given["credential"], given["reason"]
    if row is None:
        done = create_or_ask(by=user, spec=spec, credential=credential, reason=reason)
        if given["by_its_name"] and not ModelAlias.objects.filter(name=spec.name).exists():
            set_alias(by=user, name=spec.name, deployments=[done.deployment])
    else:
        done = change_or_ask(
            by=user, deployment=row, spec=spec, credential=credential or None, reason=reason
        )
    messages.success(request, _saved(done))
    return HttpResponseRedirect(reverse("deployment", kwargs={"name": spec.name}))


def _saved(done: Done) -> str:
    if done.waiting is None:
        return _("Saved. Requests meet it within a second.")
    return _("It waits for a second person, who agrees or rejects it on this page.")


def _enable(_request: HttpRequest, user: User, row: Deployment) -> str:
    set_enabled(by=user, deployment=row, enabled=True)
    return _("It serves within a second.")


def _disable(_request: HttpRequest, user: User, row: Deployment) -> str:
    set_enabled(by=user, deployment=row, enabled=False)
    return _("It is off: nothing is sent there.")


def _remove(request: HttpRequest, user: User, row: Deployment) -> str:
    if request.POST.get("sure") != "yes":
        raise ValidationError(_("Nothing was removed: tick the box to confirm."))
    remove_deployment(by=user, deployment=row)
    return _("%(name)s was removed.") % {"name": row.name}


def _grants(request: HttpRequest, user: User, row: Deployment) -> str:
    """Bring the grants to what is ticked."""
    wanted = set(request.POST.getlist("project"))
    had = set(Grant.objects.filter(deployment=row).values_list("project__slug", flat=True))
    for project in Project.objects.filter(archived=False, slug__in=wanted ^ had):
        change = add_grant if project.slug in wanted else remove_grant
        change(by=user, project=project, deployment=row)
    return _("The projects that may use it are those that are ticked.")


def _agree(request: HttpRequest, user: User, row: Deployment) -> str:
    approve_change(by=user, change=_waiting(request, row))
    return _("It is in effect.")


def _reject(request: HttpRequest, user: User, row: Deployment) -> str:
    reject_change(by=user, change=_waiting(request, row), note=request.POST.get("note", ""))
    return _("The change was rejected.")


def _withdraw(request: HttpRequest, user: User, row: Deployment) -> str:
    withdraw_change(by=user, change=_waiting(request, row))
    return _("The change was taken back.")


def _waiting(request: HttpRequest, row: Deployment) -> WaitingChange:
    try:
        key = uuid.UUID(request.POST.get("change", ""))
    except ValueError:
        key = uuid.UUID(int=0)
    found = WaitingChange.objects.filter(pk=key, deployment=row).first()
    if found is None:
        raise ValidationError(_("This change does not wait any more."))
    return found


ACTS: Final[Mapping[str, Callable[[HttpRequest, User, Deployment], str]]] = {
    "enable": _enable,
    "disable": _disable,
    "remove": _remove,
    "grants": _grants,
    "agree": _agree,
    "reject": _reject,
    "withdraw": _withdraw,
}
