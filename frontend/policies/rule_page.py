"""The page with the form of one rule: new, or one of the draft's, told by its place there."""

from collections.abc import Mapping
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from frontend.policies.drafting import Came, as_yaml
from frontend.policies.places import address, project_to_edit, whose
from frontend.policies.rule_fields import fields_of, rule_of
from frontend.policies.rule_form import RuleForm
from frontend.policies.saving import save, version_of
from gateway.accounts.models import Project, User
from policies.services import editing
from policies.services.conflicts import Conflict
from policies.services.drafts import draft_of


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def rule_page(request: HttpRequest, slug: str | None = None) -> HttpResponse:
    """`?at=2`: the third rule of the draft; without it a new one."""
    user = cast("User", request.user)
    project = project_to_edit(user, slug)
    document = editing.working_document(project)
    at = _place(request.GET.get("at", ""), document)
    before = editing.parts(document, "rules")[at] if at is not None else None
    initial, kept = fields_of(before) if isinstance(before, Mapping) else (_new(document), {})
    form = RuleForm(request.POST or None, initial=initial)
    form.offer(editing.names_of(project), initial)
    came, rule = Came(), before
    if request.method == "POST" and form.is_valid():
        rule = rule_of(form.cleaned_data, kept=kept, before=before)
        changed = editing.with_part(document, "rules", rule, at)
        place = at if at is not None else len(editing.parts(changed, "rules")) - 1
        wrong = editing.problems_of_part(changed, "rules", place, project=project)
        came.problems = [f"{each.sentence} {each.advice}" for each in wrong]
        if not wrong and request.POST.get("act") == "save":
            came = _save(request, user, project, changed)
            if came.done:
                messages.success(request, came.done)
                return HttpResponseRedirect(address("policy-draft", project))
    draft = draft_of(project)
    context = whose(project) | {
        "form": form,
        "rule_at": at,
        "kept": as_yaml({"when": kept}) if kept else "",
        "preview": _preview(rule, document, project),
        "came": came,
        "version": version_of(request.POST, draft),
    }
    if request.headers.get("hx-request"):
        return render(request, "frontend/policies/rule_preview.html", context)
    return render(request, "frontend/policies/rule.html", context, status=came.status)


def _place(written: str, document: editing.Document) -> int | None:
    if not written:
        return None
    if not (written.isascii() and written.isdecimal() and len(written) < 5):
        raise Http404
    at = int(written)
    if at >= len(editing.parts(document, "rules")):
        raise Http404
    return at


def _new(document: editing.Document) -> dict[str, Any]:
    """A new rule begins with the commonest effect, and a name that is free."""
    taken = {rule.get("id") for rule in editing.parts(document, "rules") if isinstance(rule, dict)}
    number = next(number for number in range(1, 10_000) if f"rule-{number}" not in taken)
    return {"id": f"rule-{number}", "effect": "allow_only", "zones": ["on_prem"]}


def _save(
    request: HttpRequest, user: User, project: Project | None, document: editing.Document
) -> Came:
    try:
        return save(document, cast("Mapping[str, str]", request.POST), by=user, project=project)
    except Conflict as error:
        return Came(problems=[str(error)], conflict=True)
    except ValidationError as error:
        return Came(problems=list(error.messages))


def _preview(rule: Any, document: editing.Document, project: Project | None) -> dict[str, Any]:
    """The rule as a sentence and as YAML; empty before there is one."""
    if not isinstance(rule, Mapping):
        return {"sentence": _("Fill the form: the rule stands here as a sentence."), "yaml": ""}
    [line] = editing.rule_lines_of({**document, "rules": [rule]}, project=project)
    return {"sentence": line.sentence, "problems": line.problems, "yaml": as_yaml(rule)}
