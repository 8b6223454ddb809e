"""The endpoints of `/api`. Each starts from what the person may reach: `accounts.access`."""

import json
from typing import Any

from django.core.exceptions import PermissionDenied
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.accounts.access import NoSuchProject, get_project_for, may
from gateway.accounts.models import APIKey, Membership, Project, User
from gateway.accounts.roles import Role
from gateway.inference.contracts import Principal, Snapshot
from gateway.inference.explain import explain_request
from gateway.snapshot.keys import principal_of_member
from gateway.snapshot.now import snapshot_now
from policies.engine.facts import Endpoint


def person_of(request: Request) -> User:
    """Who asks. Authentication and its permission ran before, so there is somebody."""
    if not isinstance(request.user, User):
        raise PermissionDenied("Nobody is logged in.")
    return request.user


class Me(APIView):
    """`GET /api/me`: who I am here."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """The person, their roles, and the key in use."""
        user = person_of(request)
        key = request.auth if isinstance(request.auth, APIKey) else None
        memberships = Membership.objects.filter(user=user, project__archived=False)
        if key is not None:
            memberships = memberships.filter(project=key.project)
        return Response(
            {
                "id": str(user.pk),
                "email": user.email,
                "name": user.name,
                "organisation_role": user.organisation_role,
                "groups": sorted(user.access_groups.values_list("slug", flat=True)),
                "projects": [
                    {"slug": item.project.slug, "name": item.project.name, "role": item.role}
                    for item in memberships.select_related("project")
                ],
                "key": key.prefix if key is not None else None,
            }
        )


class ExplainRequest(serializers.Serializer[Any]):
    """What `POST /api/policies/explain` takes."""

    project = serializers.CharField(max_length=63)
    endpoint = serializers.ChoiceField(
        choices=[endpoint.value for endpoint in Endpoint],
        default=Endpoint.CHAT_COMPLETIONS.value,
    )
    request = serializers.DictField()
    declare = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)
    key = serializers.CharField(max_length=24, required=False, default="", allow_blank=True)


class Explain(APIView):
    """`POST /api/policies/explain`: what would be decided, and why. Nothing is sent or stored."""

    @extend_schema(request=ExplainRequest, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request) -> Response:
        """Label, findings (class and place), rules, candidates and dropped ones with reasons."""
        asked = ExplainRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        user = person_of(request)
        project = _project(user, request.auth, given["project"])
        snapshot = snapshot_now()
        told = explain_request(
            snapshot,
            _principal(snapshot, user, project, given["key"]),
            Endpoint(given["endpoint"]),
            # Half of a surrogate pair becomes a byte that the path refuses as it does in /v1.
            json.dumps(given["request"], ensure_ascii=False).encode(errors="surrogatepass"),
            given["declare"],
        )
        return Response(told)


def _project(user: User, auth: object, slug: str) -> Project:
    """The project, for its members and for whoever edits its policy."""
    if isinstance(auth, APIKey) and auth.project.slug != slug:
        raise NoSuchProject("No such project.")
    if user.is_admin:
        return get_project_for(user, slug, Role.EDITOR)
    return get_project_for(user, slug, Role.MEMBER)


def _principal(snapshot: Snapshot, user: User, project: Project, prefix: str) -> Principal:
    """As whom it is explained: the person, or one of the project's keys."""
    if not prefix:
        return principal_of_member(user, project)
    key = APIKey.objects.filter(project=project, prefix=prefix).first()
    if key is not None and (key.user_id == user.pk or may(user, project, Role.EDITOR)):
        principal = snapshot.keys.get(bytes.fromhex(key.digest))
        if principal is not None:
            return principal
    raise NoSuchProject("The project has no live key with this prefix that you may see.")
