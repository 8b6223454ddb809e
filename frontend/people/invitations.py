"""Invitations: made on the pages of people and projects, accepted by whoever has the link."""

import uuid
from datetime import timedelta
from typing import Any, cast

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from frontend.access import visible_project
from frontend.forms import FirstPasswordForm
from frontend.people import mails
from frontend.people.acts import attempt, chosen
from frontend.people.words import ORGANISATION_ROLES, ROLES
from gateway.accounts.access import NoSuchProject
from gateway.accounts.entry_models import Invitation
from gateway.accounts.models import Project, User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import (
    NoSuchInvitation,
    accept,
    accept_as_new,
    invitation_of,
    invite,
    open_invitations,
    revoke_invitation,
)

DAYS = {"1": 1, "7": 7, "30": 30}


def invitation_rows(user: User, project: Project | None = None) -> list[dict[str, Any]]:
    """Open invitations as the pages show them."""
    return [
        {
            "id": each.pk,
            "email": each.email,
            "what": ROLES[each.role]
            if each.project
            else ORGANISATION_ROLES[each.organisation_role],
            "project": each.project,
            "until": each.expires_at,
        }
        for each in open_invitations(user, project)
    ]


@never_cache
@login_required
@require_POST
def make(request: HttpRequest) -> HttpResponse:
    """Make an invitation, to a project or to the organisation; show its link once, or mail it."""
    user = cast("User", request.user)
    project = _project(user, request.POST.get("project", ""))
    back = reverse("project", args=[project.slug]) if project else reverse("people")
    by_mail = request.POST.get("way") == "mail"
    try:
        made = invite(
            by=user,
            email=request.POST.get("email", ""),
            project=project,
            role=Role(chosen(request.POST.get("role", Role.MEMBER.value), ROLES)),
            organisation_role=OrganisationRole(
                chosen(request.POST.get("organisation_role", "none"), ORGANISATION_ROLES)
            ),
            valid_for=timedelta(days=DAYS[chosen(request.POST.get("days", "7"), DAYS)]),
            way="mail" if by_mail else "link",
        )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect(back)
    link = settings.PUBLIC_URL + reverse("invitation", args=[made.secret])
    if by_mail and mails.send_invitation(made.invitation, link):
        messages.success(request, _("The invitation was mailed."))
        return redirect(back)
    context = {
        "page": "projects" if project else "people",
        "invitation": made.invitation,
        "link": link,
        "back": back,
        "mail_failed": by_mail,
    }
    return render(request, "frontend/people/invited.html", context)


@login_required
@require_POST
def revoke(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """End an invitation."""
    user = cast("User", request.user)
    found = Invitation.objects.select_related("project").filter(pk=pk).first()
    visible = found is not None and open_invitations(user, found.project).filter(pk=pk).exists()
    if found is None or not visible:
        raise NoSuchProject("No such invitation.")
    attempt(
        request,
        lambda: revoke_invitation(by=user, invitation=found),
        _("The invitation lets nobody in any more."),
    )
    return redirect("project", slug=found.project.slug) if found.project else redirect("people")


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def accept_page(request: HttpRequest, secret: str) -> HttpResponse:
    """What a link leads to. Whoever has no account gets one with a POST; others join."""
    try:
        invitation = invitation_of(secret)
        if request.method == "POST":
            return _accept(request, secret, invitation)
    except NoSuchInvitation:
        return render(request, "frontend/people/no_invitation.html", status=410)
    return _page(request, invitation, FirstPasswordForm())


def _accept(request: HttpRequest, secret: str, invitation: Invitation) -> HttpResponse:
    if isinstance(request.user, User):
        try:
            accept(by=request.user, secret=secret)
        except PermissionDenied:
            return _page(request, invitation, FirstPasswordForm(), status=403)
        return _welcome(invitation)
    form = FirstPasswordForm(request.POST)
    if not form.is_valid():
        return _page(request, invitation, form, status=400)
    try:
        person = accept_as_new(
            secret=secret, name=form.cleaned_data["name"], password=form.cleaned_data["password"]
        )
    except ValidationError as error:
        form.add_error("password", error)
        return _page(request, invitation, form, status=400)
    target = _welcome(invitation)["Location"]
    answer: HttpResponse = perform_password_login(
        request, {}, Login(user=person, redirect_url=target)
    )
    return answer


def _welcome(invitation: Invitation) -> HttpResponse:
    if invitation.project is not None and invitation.role != Role.AUDITOR:
        return redirect("project-chat", slug=invitation.project.slug)
    return redirect("chat")


def _page(
    request: HttpRequest, invitation: Invitation, form: FirstPasswordForm, *, status: int = 200
) -> HttpResponse:
    signed_in = isinstance(request.user, User)
    context = {
        "invitation": invitation,
        "role": ROLES[invitation.role],
        "organisation_role": ORGANISATION_ROLES[invitation.organisation_role]
        if invitation.organisation_role != OrganisationRole.NONE
        else "",
        "form": form,
        "signed_in": signed_in,
        "fits": signed_in and request.user.email == invitation.email,  # type: ignore[union-attr]
        "known": User.objects.filter(email=invitation.email).exists(),
        "next": request.path,
    }
    return render(request, "frontend/people/invitation.html", context, status=status)


def _project(user: User, slug: str) -> Project | None:
    if not slug:
        return None
    return visible_project(user, slug)
