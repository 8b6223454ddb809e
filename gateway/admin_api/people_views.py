"""`/api`: members, keys and invitations of a project.

A key acts in its own project alone; and no key makes keys or invitations: whoever found it would
keep a way in after it was revoked.
"""

import uuid
from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.accounts.access import NoSuchProject, get_project_for, may_act, role_in
from gateway.accounts.entry_models import Invitation
from gateway.accounts.models import (
    APIKey,
    Membership,
    Project,
    ServiceAccount,
    User,
    normalise_email,
)
from gateway.accounts.roles import Act, Role
from gateway.accounts.services import (
    CreatedKey,
    add_member,
    create_api_key,
    floor_of,
    invite,
    open_invitations,
    remove_member,
    revoke_api_key,
    revoke_invitation,
    rotate_api_key,
)
from gateway.accounts.services.keys import SCOPES, owner_name
from gateway.admin_api.usage_views import only_project
from gateway.admin_api.views import person_of
from gateway.protocol.restores import Restores
from policies.engine.labels import Label, Sensitivity


class MemberInput(serializers.Serializer[Any]):
    """What `PUT …/members/{email}` takes."""

    role = serializers.ChoiceField(choices=[role.value for role in Role])


class KeyInput(serializers.Serializer[Any]):
    """What `POST …/keys` takes. `service_account` left out: a key of one's own."""

    name = serializers.CharField(max_length=100)
    service_account = serializers.CharField(required=False, default="", max_length=63)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted(SCOPES)), required=False, default=list
    )
    sensitivity = serializers.ChoiceField(
        choices=[each.word for each in Sensitivity], default=Sensitivity.PUBLIC.word
    )
    categories = serializers.ListField(
        child=serializers.CharField(max_length=64), required=False, default=list
    )
    expires_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    restores = serializers.ChoiceField(
        choices=[each.value for each in Restores], default=Restores.EVERYTHING.value
    )


class OverlapInput(serializers.Serializer[Any]):
    """What `POST …/rotate` takes."""

    overlap_hours = serializers.IntegerField(min_value=0, max_value=90 * 24, default=24)


class InvitationInput(serializers.Serializer[Any]):
    """What `POST …/invitations` takes."""

    email = serializers.EmailField()
    role = serializers.ChoiceField(choices=[role.value for role in Role], default=Role.MEMBER.value)
    valid_for_hours = serializers.IntegerField(min_value=1, max_value=30 * 24, default=168)


class Members(APIView):
    """`GET /api/projects/{slug}/members`."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str) -> Response:
        """Everybody in it, with roles; for everybody in it."""
        project = _seen(request, slug)
        rows = Membership.objects.filter(project=project).select_related("user")
        return Response(
            {
                "members": [
                    {
                        "email": row.user.email,
                        "name": row.user.name,
                        "role": row.role,
                        "active": row.user.is_active,
                    }
                    for row in rows.order_by("user__email")
                ]
            }
        )


class OneMember(APIView):
    """`PUT` and `DELETE /api/projects/{slug}/members/{email}`."""

    @extend_schema(request=MemberInput, responses=OpenApiTypes.OBJECT)
    def put(self, request: Request, slug: str, email: str) -> Response:
        """Add somebody who has an account, or give another role."""
        user, project = person_of(request), _owned(request, slug)
        asked = MemberInput(data=request.data)
        asked.is_valid(raise_exception=True)
        role = Role(asked.validated_data["role"])
        person = User.objects.filter(email=normalise_email(email), is_active=True).first()
        if person is None:
            raise NoSuchProject("Nobody has this address.")
        add_member(by=user, project=project, user=person, role=role)
        return Response({"email": person.email, "role": role.value})

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, email: str) -> Response:
        """Take somebody out."""
        user, project = person_of(request), _owned(request, slug)
        person = project.members.filter(email=normalise_email(email)).first()
        if person is None:
            raise NoSuchProject("No such member.")
        remove_member(by=user, project=project, user=person)
        return Response(status=204)


class Keys(APIView):
    """`GET` and `POST /api/projects/{slug}/keys`."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str) -> Response:
        """One's own, or for editors all of them; never a key's text."""
        rows = _keys(person_of(request), _seen(request, slug))
        return Response({"keys": [_key(row) for row in rows]})

    @extend_schema(request=KeyInput, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, slug: str) -> Response:
        """Make one; its text is in `key`, this once."""
        user, project = person_of(request), _seen(request, slug)
        _no_key(request)
        asked = KeyInput(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        owner: User | ServiceAccount = user
        if given["service_account"]:
            accounts = ServiceAccount.objects.filter(project=project)
            found = accounts.filter(name=given["service_account"]).first()
            if found is None:
                raise NoSuchProject("No such service account.")
            owner = found
        made = create_api_key(
            by=user,
            project=project,
            name=given["name"],
            owner=owner,
            scopes=given["scopes"],
            floor=Label(
                Sensitivity.from_word(given["sensitivity"]), frozenset(given["categories"])
            ),
            expires_at=given["expires_at"],
            restores=Restores(given["restores"]),
        )
        return _made(made)


class OneKey(APIView):
    """`DELETE /api/projects/{slug}/keys/{prefix}`."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, prefix: str) -> Response:
        """Revoke it."""
        user = person_of(request)
        revoke_api_key(by=user, key=_one(user, _seen(request, slug), prefix))
        return Response(status=204)


class Rotate(APIView):
    """`POST /api/projects/{slug}/keys/{prefix}/rotate`."""

    @extend_schema(request=OverlapInput, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, slug: str, prefix: str) -> Response:
        """A successor; the old text is accepted for `overlap_hours`."""
        user, project = person_of(request), _seen(request, slug)
        _no_key(request)
        asked = OverlapInput(data=request.data)
        asked.is_valid(raise_exception=True)
        overlap = timedelta(hours=asked.validated_data["overlap_hours"])
        return _made(rotate_api_key(by=user, key=_one(user, project, prefix), overlap=overlap))


class Invitations(APIView):
    """`GET` and `POST /api/projects/{slug}/invitations`."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str) -> Response:
        """Those that still let somebody in; for owners."""
        project = _owned(request, slug)
        rows = open_invitations(person_of(request), project)
        return Response({"invitations": [_invitation(row) for row in rows]})

    @extend_schema(request=InvitationInput, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, slug: str) -> Response:
        """Make one; its secret is in `secret`, this once: the link is `/invitation/{secret}/`."""
        project = _owned(request, slug)
        _no_key(request)
        asked = InvitationInput(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        made = invite(
            by=person_of(request),
            email=given["email"],
            project=project,
            role=Role(given["role"]),
            valid_for=timedelta(hours=given["valid_for_hours"]),
        )
        return Response({**_invitation(made.invitation), "secret": made.secret}, status=201)


class OneInvitation(APIView):
    """`DELETE /api/projects/{slug}/invitations/{pk}`."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, pk: uuid.UUID) -> Response:
        """Take it back."""
        user, project = person_of(request), _owned(request, slug)
        found = open_invitations(user, project).filter(pk=pk).first()
        if found is None:
            raise NoSuchProject("No such invitation.")
        revoke_invitation(by=user, invitation=found)
        return Response(status=204)


def _seen(request: Request, slug: str) -> Project:
    """The project, for whoever belongs to it, and for the organisation's admins and auditors."""
    user, wanted = person_of(request), only_project(request, slug)
    project = Project.objects.filter(slug=wanted, archived=False).first()
    if project is not None and (user.is_staff or role_in(user, project) is not None):
        return project
    raise NoSuchProject("No such project.")


def _owned(request: Request, slug: str) -> Project:
    return get_project_for(person_of(request), only_project(request, slug), Role.OWNER)


def _no_key(request: Request) -> None:
    if isinstance(request.auth, APIKey):
        raise PermissionDenied("No key makes keys or invitations: log in for this.")


def _keys(user: User, project: Project) -> QuerySet[APIKey]:
    rows = APIKey.objects.filter(project=project)
    if may_act(user, Act.REVOKE_KEYS, project):
        return rows
    return rows.filter(Q(user=user) | Q(service_account__on_behalf_of=user))


def _one(user: User, project: Project, prefix: str) -> APIKey:
    found = _keys(user, project).filter(prefix=prefix).first()
    if found is None:
        raise NoSuchProject("No such key.")
    return found


def _made(made: CreatedKey) -> Response:
    return Response({**_key(made.key), "key": made.text}, status=201)


def _key(row: APIKey) -> dict[str, Any]:
    floor = floor_of(row)
    return {
        "prefix": row.prefix,
        "name": row.name,
        "owner": owner_name(row),
        "scopes": row.scopes,
        "floor": {"sensitivity": floor.sensitivity.word, "categories": sorted(floor.categories)},
        "restores": row.restores,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "last_used_at": row.last_used_at,
    }


def _invitation(row: Invitation) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "email": row.email,
        "role": row.role,
        "expires_at": row.expires_at,
    }
