"""`/api/deployments`, `/api/aliases`, `/api/deployment-changes` and grants: where models are, what
may go there, who may use them.

Shown to people with a role in the organisation; admins change them, an approver may be the second
person; grants are an editor's of the project. A credential is written and never read.
"""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.accounts.access import get_project_for, require_admin
from gateway.accounts.models import APIKey, Project, User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.admin_api.views import person_of
from gateway.deployments.models import Deployment, ModelAlias, Provider, WaitingChange
from gateway.deployments.services import (
    add_grant,
    remove_alias,
    remove_deployment,
    remove_grant,
    set_alias,
)
from gateway.deployments.services.waiting import (
    Done,
    approve_change,
    change_or_ask,
    create_or_ask,
    reject_change,
    waiting_changes,
    withdraw_change,
)
from gateway.deployments.spec import DeploymentSpec, default_clearance, spec_of
from gateway.deployments.spec_data import spec_data
from gateway.deployments.testing import try_deployment
from policies.engine.facts import Clearance, Evidence, Zone
from policies.engine.labels import Sensitivity
from policies.services.usability import shared_with, usable_by


class EvidenceInput(serializers.Serializer[Any]):
    """What a clearance relies on."""

    kind = serializers.CharField(max_length=63)
    reference = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)
    valid_until = serializers.DateField(required=False, default=None, allow_null=True)


class ClearanceInput(serializers.Serializer[Any]):
    """What may go there. `categories` null: every one."""

    sensitivity = serializers.ChoiceField(choices=[level.word for level in Sensitivity])
    categories = serializers.ListField(
        child=serializers.CharField(max_length=63), allow_null=True, required=False, default=list
    )


class DeploymentInput(serializers.Serializer[Any]):
    """What `PUT /api/deployments/{name}` takes: the whole of it. `credential` null: keep it."""

    base_url = serializers.CharField(max_length=500)
    model = serializers.CharField(max_length=200)
    zone = serializers.ChoiceField(choices=[zone.value for zone in Zone])
    provider = serializers.ChoiceField(
        choices=[each.value for each in Provider], default=Provider.OPENAI_COMPATIBLE.value
    )
    clearance = ClearanceInput(required=False, default=None, allow_null=True)
    endpoints = serializers.ListField(
        child=serializers.CharField(max_length=40), default=["chat.completions"]
    )
    modalities = serializers.ListField(child=serializers.CharField(max_length=20), default=["text"])
    vendor = serializers.CharField(max_length=100, default="", allow_blank=True)
    region = serializers.CharField(max_length=100, default="", allow_blank=True)
    retention_days = serializers.IntegerField(
        min_value=0, max_value=36_500, default=None, allow_null=True
    )
    trains_on_data = serializers.BooleanField(default=None, allow_null=True)
    evidence = EvidenceInput(many=True, required=False, default=list)
    options = serializers.DictField(child=serializers.CharField(max_length=200), default=dict)
    connect_timeout_s = serializers.FloatField(default=5.0)
    first_byte_timeout_s = serializers.FloatField(default=120.0)
    idle_timeout_s = serializers.FloatField(default=60.0)
    enabled = serializers.BooleanField(default=False)
    credential = serializers.CharField(
        max_length=4000, default=None, allow_null=True, write_only=True
    )
    reason = serializers.CharField(max_length=480, default="", allow_blank=True)


class AliasInput(serializers.Serializer[Any]):
    """What `PUT /api/aliases/{name}` takes: deployments, the first asked first."""

    deployments = serializers.ListField(child=serializers.CharField(max_length=63))


class NoteInput(serializers.Serializer[Any]):
    """What a second person writes beside their word."""

    note = serializers.CharField(max_length=480, default="", allow_blank=True)


class Deployments(APIView):
    """`GET /api/deployments`: every one."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Where each is and what may go there; never a credential."""
        looking(request)
        return Response({"deployments": [_deployment(row) for row in Deployment.objects.all()]})


class OneDeployment(APIView):
    """`/api/deployments/{name}`."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, name: str) -> Response:
        """One, with the projects that could use it and why others could not."""
        looking(request)
        row = _named(name)
        facts = row.facts()
        projects = Project.objects.filter(archived=False).order_by("slug")
        usable = usable_by(facts, projects, shared=shared_with(facts))
        return Response(
            {
                **_deployment(row),
                "usable": [
                    {"project": each.project.slug, "usable": each.usable, "reason": each.reason}
                    for each in usable
                ],
            }
        )

    @extend_schema(
        request=DeploymentInput, responses={200: OpenApiTypes.OBJECT, 202: OpenApiTypes.OBJECT}
    )
    def put(self, request: Request, name: str) -> Response:
        """Make or change one: 200 in effect, 202 waiting for a second person."""
        user = looking(request)
        require_admin(user)
        asked = DeploymentInput(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        spec, credential = _spec(name, given), given["credential"]
        row = Deployment.objects.filter(name=name).first()
        if row is None:
            done = create_or_ask(
                by=user, spec=spec, credential=credential or "", reason=given["reason"]
            )
        else:
            done = change_or_ask(
                by=user, deployment=row, spec=spec, credential=credential, reason=given["reason"]
            )
        return _came(done)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Remove one that no alias names."""
        user = looking(request)
        require_admin(user)
        remove_deployment(by=user, deployment=_named(name))
        return Response(status=204)


class DeploymentTest(APIView):
    """`POST /api/deployments/{name}/test`."""

    @extend_schema(request=None, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request, name: str) -> Response:
        """Ask the server for its models; nothing of any request is sent."""
        user = looking(request)
        require_admin(user)
        tested = try_deployment(by=user, deployment=_named(name))
        return Response(
            {
                "result": tested.result.value,
                "well": tested.is_well,
                "detail": tested.detail,
                "models": list(tested.models),
            }
        )


class Aliases(APIView):
    """`GET /api/aliases`: what clients may ask for."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Each with the deployments behind it, in order."""
        looking(request)
        return Response({"aliases": [_alias(row) for row in ModelAlias.objects.all()]})


class OneAlias(APIView):
    """`/api/aliases/{name}`."""

    @extend_schema(request=AliasInput, responses=OpenApiTypes.OBJECT)
    def put(self, request: Request, name: str) -> Response:
        """Make one, or point it at exactly these deployments in this order."""
        user = looking(request)
        require_admin(user)
        asked = AliasInput(data=request.data)
        asked.is_valid(raise_exception=True)
        rows = [_named(each) for each in asked.validated_data["deployments"]]
        return Response(_alias(set_alias(by=user, name=name, deployments=rows)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Remove it; who asks for it gets a 404."""
        user = looking(request)
        require_admin(user)
        alias = ModelAlias.objects.filter(name=name).first()
        if alias is None:
            raise Http404
        remove_alias(by=user, alias=alias)
        return Response(status=204)


class OneGrant(APIView):
    """`/api/projects/{slug}/grants/{deployment}`: an editor's."""

    @extend_schema(request=None, responses={204: None})
    def put(self, request: Request, slug: str, deployment: str) -> Response:
        """Let the project use it. Its clearance stays what it is."""
        project, row = self._of(request, slug, deployment)
        add_grant(by=person_of(request), project=project, deployment=row)
        return Response(status=204)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, deployment: str) -> Response:
        """Take it from the project."""
        project, row = self._of(request, slug, deployment)
        remove_grant(by=person_of(request), project=project, deployment=row)
        return Response(status=204)

    @staticmethod
    def _of(request: Request, slug: str, deployment: str) -> tuple[Project, Deployment]:
        auth = request.auth
        if isinstance(auth, APIKey) and auth.project.slug != slug:
            raise Http404
        project = get_project_for(person_of(request), slug, Role.EDITOR)
        return project, _named(deployment)


class Changes(APIView):
    """`GET /api/deployment-changes`: what waits for a second person."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """The oldest first."""
        looking(request)
        return Response({"changes": [_change(row) for row in waiting_changes()]})


class ApproveChange(APIView):
    """`POST /api/deployment-changes/{key}/approve`."""

    @extend_schema(request=None, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request, key: str) -> Response:
        """It takes effect; never by its author."""
        return Response(_deployment(approve_change(by=looking(request), change=_waiting(key))))


class RejectChange(APIView):
    """`POST /api/deployment-changes/{key}/reject`."""

    @extend_schema(request=NoteInput, responses={204: None})
    def post(self, request: Request, key: str) -> Response:
        """It does not."""
        asked = NoteInput(data=request.data)
        asked.is_valid(raise_exception=True)
        user = looking(request)
        reject_change(by=user, change=_waiting(key), note=asked.validated_data["note"])
        return Response(status=204)


class WithdrawChange(APIView):
    """`POST /api/deployment-changes/{key}/withdraw`."""

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, key: str) -> Response:
        """An admin takes it back."""
        withdraw_change(by=looking(request), change=_waiting(key))
        return Response(status=204)


def looking(request: Request) -> User:
    """Who asks, if they have a role in the organisation and came with a session: a key is of one
    project. Raises PermissionDenied."""
    user = person_of(request)
    if isinstance(request.auth, APIKey) or user.organisation_role == OrganisationRole.NONE:
        raise PermissionDenied("Deployments are shown to people with a role in the organisation.")
    return user


def _named(name: str) -> Deployment:
    row = Deployment.objects.filter(name=name).first()
    if row is None:
        raise Http404
    return row


def _waiting(key: str) -> WaitingChange:
    row = WaitingChange.objects.filter(pk=key).first()
    if row is None:
        raise Http404
    return row


def _spec(name: str, given: Mapping[str, Any]) -> DeploymentSpec:
    zone = Zone(given["zone"])
    stated = given["clearance"]
    clearance = default_clearance(zone)
    if stated is not None:
        categories = stated["categories"]
        clearance = Clearance(
            Sensitivity.from_word(stated["sensitivity"]),
            None if categories is None else frozenset(categories),
        )
    return DeploymentSpec(
        name=name,
        base_url=given["base_url"],
        upstream_model=given["model"],
        zone=zone,
        clearance=clearance,
        endpoints=frozenset(given["endpoints"]),
        modalities=frozenset(given["modalities"]),
        evidence=tuple(Evidence(**each) for each in given["evidence"]),
        **{field: given[field] for field in _ALIKE},
    )


_ALIKE = (
    *("provider", "vendor", "region", "retention_days", "trains_on_data", "options", "enabled"),
    *("connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s"),
)


def _came(done: Done) -> Response:
    told = _deployment(done.deployment)
    if done.waiting is None:
        return Response(told)
    return Response({**told, "waiting": _change(done.waiting)}, status=202)


def _deployment(row: Deployment) -> dict[str, Any]:
    return {
        **_told(spec_data(spec_of(row))),
        "proposed": row.proposed,
        "has_credential": bool(row.credential),
        "aliases": sorted(row.aliases.values_list("name", flat=True)),
        "grants": sorted(row.grants.values_list("project__slug", flat=True)),
    }


def _told(data: dict[str, Any]) -> dict[str, Any]:
    """As `PUT` takes it."""
    clearance = {"sensitivity": data.pop("sensitivity"), "categories": data.pop("categories")}
    return {**data, "model": data.pop("upstream_model"), "clearance": clearance}


def _alias(row: ModelAlias) -> dict[str, Any]:
    return {"name": row.name, "deployments": row.target_names()}


def _change(row: WaitingChange) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "deployment": row.deployment.name,
        "author": row.author,
        "reason": row.reason,
        "requested_at": row.requested_at.isoformat(),
        "before": _told(dict(row.before)),
        "after": _told(dict(row.spec)),
    }
