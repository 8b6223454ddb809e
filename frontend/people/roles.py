"""`/roles/`: what each role may do, from the table that the services ask."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from frontend.people.words import ACTS, ORGANISATION_ROLES, ROLES
from gateway.accounts.roles import IN_PROJECT, Act, OrganisationRole, Role, may_by_role

_ORGANISATION = [role for role in OrganisationRole if role is not OrganisationRole.NONE]


@require_safe
@login_required
def roles_page(request: HttpRequest) -> HttpResponse:
    """One table for a project, with the organisation's roles beside; one for the organisation."""
    context = {
        "page": "roles",
        "project_roles": [ROLES[role] for role in Role],
        "organisation_roles": [ORGANISATION_ROLES[role] for role in _ORGANISATION],
        "in_project": [
            {
                "what": ACTS[act],
                "marks": [may_by_role(act, role) for role in (*Role, *_ORGANISATION)],
            }
            for act in IN_PROJECT
        ],
        "in_organisation": [
            {"what": ACTS[act], "marks": [may_by_role(act, role) for role in _ORGANISATION]}
            for act in Act
            if act not in IN_PROJECT
        ],
    }
    return render(request, "frontend/people/roles.html", context)
