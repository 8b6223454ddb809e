"""The first steps of an installation, each ticked from what is really there, never from a click.

They are shown to admins on the overview and in the chat until all are done or they are put away
(a cookie: it is a matter of one person's screen, not of the organisation).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from frontend.deployments.routes import address_of
from gateway.accounts.models import APIKey, Project, User
from gateway.accounts.roles import MAY_USE
from gateway.audit.models import RequestRecord
from gateway.deployments.models import Deployment

COOKIE: Final = "first-steps"
PUT_AWAY: Final = "put-away"
YEAR_S: Final = 31_536_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of them. `address` empty: it follows from the one before."""

    title: str
    detail: str
    done: bool
    address: str
    act: str
    now: bool = False  # the first that is not done


def first_steps(request: HttpRequest, user: User) -> Sequence[Step]:
    """Those of the installation; none for others than admins, when done, or put away.

    Eight queries at most.
    """
    if not user.is_admin or request.COOKIES.get(COOKIE) == PUT_AWAY:
        return ()
    steps = _steps(user)
    return () if all(step.done for step in steps) else steps


def _steps(user: User) -> list[Step]:
    enabled = Deployment.objects.filter(enabled=True, proposed=False)
    own = enabled.filter(builtin=False).order_by("created_at").first()
    there_is_a_project = Project.objects.filter(archived=False).exists()
    granted = Project.objects.filter(
        archived=False, grants__deployment__in=enabled, memberships__role__in=MAY_USE
    )
    mine = granted.filter(memberships__user=user).order_by("slug").first()
    keys = APIKey.objects.filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now()), revoked_at__isnull=True
    )
    first = granted.order_by("slug").first()
    found = [
        Step(
            title=_("Connect a model"),
            detail=_("A server of your own, or a vendor's. You say what may go there."),
            done=own is not None,
            address=address_of("new-deployment") or reverse("deployments"),
            act=_("Add a deployment"),
        ),
        Step(
            title=_("Give it to a project"),
            detail=_("A project says who belongs together and which models they may use."),
            done=first is not None,
            address=reverse("deployment", kwargs={"name": own.name}) + "#grants"
            if own is not None and there_is_a_project
            else address_of("projects"),
            act=_("Grant it") if own is not None and there_is_a_project else _("Open projects"),
        ),
        Step(
            title=_("Make an API key"),
            detail=_("Programs use it in place of a vendor's key: only the address changes."),
            done=keys.exists(),
            address=address_of("keys"),
            act=_("Make a key"),
        ),
        Step(
            title=_("Send the first message"),
            detail=_("The chat shows where it would go before you send it."),
            done=RequestRecord.objects.filter(decision="allowed").exists(),
            address=reverse("project-chat", kwargs={"slug": mine.slug}) if mine else "",
            act=_("Open the chat"),
        ),
    ]
    return _with_the_next(found)


def _with_the_next(steps: list[Step]) -> list[Step]:
    first = next((number for number, step in enumerate(steps) if not step.done), None)
    return [replace(step, now=number == first) for number, step in enumerate(steps)]
