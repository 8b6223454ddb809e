"""`/projects/`: the projects one belongs to; each with its floor, members and service accounts."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from frontend.access import visible_project, visible_projects
from frontend.people.acts import attempt, chosen, floor_choices, floor_in
from frontend.people.invitations import invitation_rows
from frontend.people.words import ROLES, role_words
from frontend.words import category_word, sensitivity_word
from gateway.accounts.access import NoSuchProject, may_act, role_in
from gateway.accounts.limits import limits_of
from gateway.accounts.models import Membership, ServiceAccount, User, normalise_email
from gateway.accounts.roles import Act, Role
from gateway.accounts.services import (
    add_member,
    change_project,
    create_project,
    create_service_account,
    deactivate_service_account,
    floor_of,
    remove_member,
)
from gateway.content.services import keeping_days
from policies.engine.labels import Label, Sensitivity


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def projects_page(request: HttpRequest) -> HttpResponse:
    """Every project one may see; an admin creates another by a POST."""
    user = cast("User", request.user)
    given: dict[str, str] = {}
    if request.method == "POST":
        given = {name: str(value) for name, value in request.POST.items()}
        try:
            made = create_project(
                by=user,
                slug=given.get("slug", "").strip(),
                name=given.get("name", ""),
                floor=floor_in(request),
            )
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            messages.success(request, _("The project was created. Who belongs to it?"))
            return redirect("project", slug=made.slug)
    rows = visible_projects(user).annotate(people=Count("memberships", distinct=True))
    mine = dict(Membership.objects.filter(user=user).values_list("project_id", "role"))
    context = {
        "page": "projects",
        "rows": [
            {
                "project": row,
                "people": row.people,
                "floor": floor_words(floor_of(row)),
                "role": ROLES.get(mine.get(row.pk, ""), ""),
            }
            for row in rows.order_by("archived", "name")
        ],
        "may_create": may_act(user, Act.CREATE_PROJECTS),
        "given": given,
        **floor_choices(Label(Sensitivity.INTERNAL)),
    }
    return render(request, "frontend/people/projects.html", context, status=400 if given else 200)


def floor_words(floor: Label) -> list[str]:
    """A floor's words, the sensitivity first."""
    words = [sensitivity_word(floor.sensitivity.word)]
    return words + [category_word(name) for name in sorted(floor.categories)]


@never_cache
@login_required
@require_http_methods(["GET", "HEAD"])
def project_page(request: HttpRequest, slug: str) -> HttpResponse:
    """One project: its floor, members, invitations, service accounts, limits."""
    user = cast("User", request.user)
    project = visible_project(user, slug)
    role = role_in(user, project)
    members = Membership.objects.filter(project=project).select_related("user")
    accounts = ServiceAccount.objects.filter(project=project).select_related("on_behalf_of")
    context: dict[str, Any] = {
        "page": "projects",
        "shown": project,
        "role": ROLES.get(role or "", ""),
        "floor": floor_words(floor_of(project)),
        **floor_choices(floor_of(project)),
        "members": [
            {
                "user": each.user,
                "role": each.role,
                "word": ROLES[each.role],
                "groups": sorted(each.user.access_groups.values_list("slug", flat=True)),
            }
            for each in members.prefetch_related("user__access_groups").order_by("user__email")
        ],
        "accounts": accounts.annotate(keys_made=Count("keys")).order_by("-active", "name"),
        "limits": limits_of(project),
        "kept_days": keeping_days().get(project.slug),
        "role_words": role_words(),
        "may_change": may_act(user, Act.CHANGE_PROJECT, project),
        "may_lower": may_act(user, Act.LOWER_FLOOR),
        "may_members": may_act(user, Act.CHANGE_MEMBERS, project),
        "may_accounts": may_act(user, Act.KEEP_SERVICE_ACCOUNTS, project),
        "invitations": invitation_rows(user, project),
    }
    return render(request, "frontend/people/project.html", context)


@login_required
@require_POST
def change(request: HttpRequest, slug: str) -> HttpResponse:
    """Its name and floor."""
    user = cast("User", request.user)
    project = visible_project(user, slug)

    def act() -> None:
        change_project(
            by=user, project=project, name=request.POST.get("name", ""), floor=floor_in(request)
        )

    attempt(request, act, _("Saved."))
    return redirect("project", slug=slug)


@login_required
@require_POST
def archive(request: HttpRequest, slug: str) -> HttpResponse:
    """Archive it, or bring it back."""
    user = cast("User", request.user)
    project = visible_project(user, slug)
    archived = request.POST.get("archived") == "1"
    done = (
        _("The project is archived: its keys are dead.") if archived else _("The project is back.")
    )
    attempt(request, lambda: change_project(by=user, project=project, archived=archived), done)
    return redirect("projects") if archived else redirect("project", slug=slug)


@login_required
@require_POST
def member(request: HttpRequest, slug: str) -> HttpResponse:
    """Add somebody who has an account, or give a member another role."""
    user = cast("User", request.user)
    project = visible_project(user, slug)
    # Before anything is looked up: who may not add nobody learns nothing about addresses.
    if not may_act(user, Act.CHANGE_MEMBERS, project):
        raise PermissionDenied(_("This needs the role owner in the project."))

    def act() -> None:
        role = Role(chosen(request.POST.get("role", ""), ROLES))
        address = normalise_email(request.POST.get("email", ""))
        person = User.objects.filter(email=address, is_active=True).first()
        if person is None:
            raise ValidationError(_("Nobody here has this address: invite them, below, by a link."))
        add_member(by=user, project=project, user=person, role=role)

    attempt(request, act, _("Saved."))
    return redirect("project", slug=slug)


@login_required
@require_POST
def leave(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a member out."""
    user = cast("User", request.user)
    project = visible_project(user, slug)
    address = normalise_email(request.POST.get("email", ""))
    person = project.members.filter(email=address).first()
    if person is None:
        raise NoSuchProject("No such member.")
    attempt(
        request,
        lambda: remove_member(by=user, project=project, user=person),
        _("They left the project; their keys in it are dead."),
    )
    if visible_projects(user).filter(pk=project.pk).exists():
        return redirect("project", slug=slug)
    return redirect("projects")


@login_required
@require_POST
def new_account(request: HttpRequest, slug: str) -> HttpResponse:
    """Make a service account; with a tick it acts for oneself."""
    user = cast("User", request.user)
    project = visible_project(user, slug)
    behalf = user if request.POST.get("for_me") else None
    attempt(
        request,
        lambda: create_service_account(
            by=user,
            project=project,
            name=request.POST.get("name", "").strip(),
            on_behalf_of=behalf,
        ),
        _("The service account was made. Give it a key on the page of keys."),
    )
    return redirect("project", slug=slug)


@login_required
@require_POST
def end_account(request: HttpRequest, slug: str, account: str) -> HttpResponse:
    """Switch a service account off."""
    user = cast("User", request.user)
    project = visible_project(user, slug)
    found = ServiceAccount.objects.filter(project=project, name=account).first()
    if found is None:
        raise NoSuchProject("No such service account.")
    attempt(
        request,
        lambda: deactivate_service_account(by=user, account=found),
        _("The service account is off; its keys are dead."),
    )
    return redirect("project", slug=slug)
