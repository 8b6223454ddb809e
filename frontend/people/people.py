"""`/people/`: everybody who has an account, groups, and how people sign in. For admins."""

import uuid
from typing import Any, cast

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from frontend.account.clients import client_words
from frontend.people.acts import attempt, chosen
from frontend.people.invitations import invitation_rows
from frontend.people.words import ORGANISATION_ROLES, ROLES, organisation_role_words
from gateway.accounts.access import may_act
from gateway.accounts.login.claims import read_rules, written
from gateway.accounts.models import Group, Organisation, User, normalise_email
from gateway.accounts.roles import Act, OrganisationRole
from gateway.accounts.second_factor import has_one
from gateway.accounts.services import (
    change_organisation,
    change_user_role,
    deactivate_user,
    end_other_sessions,
    reactivate_user,
    remove_group,
    remove_second_factor,
    sessions_of,
    set_group,
)

MOST = 500


def _admin(request: HttpRequest) -> User:
    user = cast("User", request.user)
    if not may_act(user, Act.CHANGE_PEOPLE):
        raise PermissionDenied(_("This page is for the organisation's admins."))
    return user


@never_cache
@login_required
@require_http_methods(["GET", "HEAD"])
def people_page(request: HttpRequest) -> HttpResponse:
    """The list, with a filter, and who is invited."""
    user = _admin(request)
    asked = request.GET.get("q", "").strip()
    rows = User.objects.annotate(count=Count("memberships")).order_by("-is_active", "email")
    if asked:
        rows = rows.filter(Q(email__icontains=asked) | Q(name__icontains=asked))
    found = list(rows[:MOST])
    factors = set(
        Authenticator.objects.filter(user__in=found, type=Authenticator.Type.TOTP).values_list(
            "user_id", flat=True
        )
    )
    context = {
        "page": "people",
        "asked": asked,
        "rows": [
            {
                "person": each,
                "role": ORGANISATION_ROLES[each.organisation_role],
                "factor": each.pk in factors,
                "projects": each.count,
            }
            for each in found
        ],
        "invitations": [row for row in invitation_rows(user) if row["project"] is None],
        "role_words": organisation_role_words(),
        "mail": bool(settings.EMAIL_HOST),
    }
    return render(request, "frontend/people/people.html", context)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD"])
def person_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One person: role, projects, sessions, second factor."""
    _admin(request)
    person = _person(pk)
    context: dict[str, Any] = {
        "page": "people",
        "person": person,
        "role_words": organisation_role_words(),
        "memberships": [
            {"project": each.project, "role": ROLES[each.role]}
            for each in person.memberships.select_related("project")
        ],
        "groups": person.access_groups.all(),
        "has_factor": has_one(person),
        "linked": SocialAccount.objects.filter(user=person).exists(),
        "sessions": [
            {"client": client_words(row.user_agent), "seen": row.last_seen_at}
            for row in sessions_of(person)
        ],
        "me": person == request.user,
    }
    return render(request, "frontend/people/person.html", context)


def _person(pk: uuid.UUID) -> User:
    found = User.objects.filter(pk=pk).first()
    if found is None:
        raise Http404("No such person.")
    return found


@login_required
@require_POST
def act_on_person(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Press one of the buttons of the person's page."""
    by = _admin(request)
    person = _person(pk)
    match request.POST.get("act", ""):
        case "role":

            def give() -> None:
                word = chosen(request.POST.get("role", ""), ORGANISATION_ROLES)
                change_user_role(by=by, user=person, role=OrganisationRole(word))

            attempt(request, give, _("Saved."))
        case "deactivate":
            attempt(
                request,
                lambda: deactivate_user(by=by, user=person),
                _("The account is off: sessions and keys are dead."),
            )
        case "reactivate":
            attempt(
                request, lambda: reactivate_user(by=by, user=person), _("The account is on again.")
            )
        case "sessions":
            end_other_sessions(by=by, user=person, keep=request.session.session_key or "")
            messages.success(request, _("All sessions ended."))
        case "factor":
            remove_second_factor(by=by, user=person)
            messages.success(request, _("The second factor was removed."))
        case _unknown:
            messages.error(request, _("This page is out of date: open it again."))
    still = User.objects.filter(pk=by.pk, is_active=True).first()
    if still is None or not may_act(still, Act.CHANGE_PEOPLE):
        return redirect("chat")
    return redirect("person", pk=pk)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def groups_page(request: HttpRequest) -> HttpResponse:
    """Groups, which policies name. A POST says who is in one."""
    by = _admin(request)
    if request.method == "POST":
        slug = request.POST.get("slug", "").strip()

        def act() -> None:
            if request.POST.get("act") == "remove":
                group = Group.objects.filter(slug=slug).first()
                if group is not None:
                    remove_group(by=by, group=group)
                return
            set_group(by=by, slug=slug, members=_people_in(request.POST.get("members", "")))

        if attempt(request, act, _("Saved.")):
            return redirect("groups")
    groups = [
        {"slug": each.slug, "members": sorted(person.email for person in each.members.all())}
        for each in Group.objects.prefetch_related("members")
    ]
    given = request.POST if request.method == "POST" else {}
    context = {"page": "people", "groups": groups, "given": given}
    status = 400 if given else 200
    return render(request, "frontend/people/groups.html", context, status=status)


def _people_in(text: str) -> list[User]:
    """The people with these addresses. Raises ValidationError naming who is not here."""
    wanted = {normalise_email(word) for word in text.replace(",", " ").split()}
    found = {person.email: person for person in User.objects.filter(email__in=wanted)}
    missing = sorted(wanted - set(found))
    if missing:
        raise ValidationError(
            _("Nobody here has these addresses: %(who)s") % {"who": ", ".join(missing[:5])}
        )
    return list(found.values())


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def signing_in_page(request: HttpRequest) -> HttpResponse:
    """Who needs a second factor, and what claims of the identity provider give."""
    by = _admin(request)
    organisation = Organisation.load()
    rules = written(organisation.claim_rules)
    if request.method == "POST":
        rules = request.POST.get("rules", "")

        def act() -> None:
            change_organisation(
                by=by,
                second_factor_for=[
                    OrganisationRole(chosen(word, ORGANISATION_ROLES))
                    for word in request.POST.getlist("second_factor_for")
                ],
                claim_rules=read_rules(rules),
            )

        if attempt(request, act, _("Saved.")):
            return redirect("signing-in")
    oidc = settings.OPENID_CONNECT
    context = {
        "page": "people",
        "roles": [
            (word, name, word in organisation.second_factor_for)
            for word, name in ORGANISATION_ROLES.items()
        ],
        "rules": rules,
        "provider": oidc.name if oidc.configured else "",
        "issuer": oidc.issuer,
        "claim": oidc.groups_claim,
    }
    status = 400 if request.method == "POST" else 200
    return render(request, "frontend/people/signing_in.html", context, status=status)
