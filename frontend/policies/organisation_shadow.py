"""The organisation's draft or an old revision in shadow, decided beside what is in effect, project
by project; and its rules that are marked as shadow."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from frontend.policies.drafting import Came
from frontend.policies.life import chosen_for_shadow, rules_shown, shadow_shown
from frontend.policies.rule_form import Picks
from gateway.accounts.access import require_admin
from gateway.accounts.models import Project, User
from gateway.accounts.roles import OrganisationRole
from gateway.accounts.services.evidence import audited_projects
from policies.engine.document import DocumentError
from policies.services import comparing, shadows

# What was counted over requests is for those who audit.
_WHO_SEES = frozenset({OrganisationRole.ADMIN, OrganisationRole.AUDITOR})


class ShadowForm(forms.Form):
    """Where the draft is to be decided beside."""

    projects = forms.MultipleChoiceField(
        label=gettext_lazy("In these projects"),
        widget=Picks,
        error_messages={"required": gettext_lazy("Choose at least one project.")},
    )


def shadow_form(data: Any = None) -> ShadowForm:
    """The form with every project; beside its name what is in shadow there now."""
    form = ShadowForm(data)
    busy = shadows.sources_by_project()
    form.fields["projects"].choices = [  # type: ignore[attr-defined]
        (row.slug, f"{row.name} ({busy[row.pk]})" if row.pk in busy else row.name)
        for row in Project.objects.filter(archived=False).order_by("name")
    ]
    return form


def seen(request: HttpRequest, user: User) -> dict[str, Any]:
    """What the page has of it. `?shadow=SLUG` compares: up to 20,000 decisions are read."""
    if user.organisation_role not in _WHO_SEES:
        return {"shadows": None}
    rows = list(shadows.organisation_shadows())
    chosen = request.GET.get("shadow", "")
    project = next((row.project for row in rows if row.project.slug == chosen), None)
    found = {
        "shadows": rows,
        "shadow_form": shadow_form() if user.is_admin else None,
        "shadow_rules": rules_shown(comparing.compare_organisation_rules()),
    }
    if project is None:
        return found
    return found | {
        "shadow_project": project,
        "shadow": shadow_shown(project),
        "may_audit": project.slug in {each.slug for each in audited_projects(user)},
    }


def act(name: str, request: HttpRequest, *, by: User) -> Came:
    """Start or end. Raises PermissionDenied."""
    require_admin(by)
    return _start(request, by) if name == "shadow-start" else _end(request, by)


def _start(request: HttpRequest, by: User) -> Came:
    form = shadow_form(request.POST)
    chosen = chosen_for_shadow({key: str(value) for key, value in request.POST.items()}, None)
    if isinstance(chosen, str):
        return Came(problems=[chosen])
    if not form.is_valid():
        return Came(problems=[str(said[0]) for said in form.errors.values()])
    document, source = chosen
    projects = Project.objects.filter(archived=False, slug__in=form.cleaned_data["projects"])
    try:
        shadows.start_organisation_shadows(
            by=by,
            projects=list(projects),
            document=document,
            source=_("organisation, %(source)s") % {"source": source},
        )
    except DocumentError as error:
        return Came(problems=[each.as_text() for each in error.problems])
    return Came(done=_("It is decided beside what is in effect, and changes nothing."))


def _end(request: HttpRequest, by: User) -> Came:
    slug = request.POST.get("project", "")
    row = shadows.organisation_shadows().filter(project__slug=slug).first()
    if row is None:
        return Came(problems=[_("Nothing of the organisation is in shadow there any more.")])
    shadows.end_organisation_shadow(by=by, project=row.project)
    return Came(done=_("The shadow has ended; what it showed stays."))
