"""Model aliases, and which project may use which deployment."""

import re
from collections.abc import Sequence

from django.core.exceptions import ValidationError

from gateway.accounts.access import require, require_admin
from gateway.accounts.acting import Acting
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import Project
from gateway.accounts.roles import Role
from gateway.accounts.statements import require_statements
from gateway.audit.event_types import EventType
from gateway.deployments.models import AliasTarget, Deployment, Grant, ModelAlias

# As vendors name models: letters, digits, and ._:/- after the first.
ALIAS_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")


def set_alias(*, by: Acting, name: str, deployments: Sequence[Deployment]) -> ModelAlias:
    """Make an alias, or point it at exactly these deployments in this order.

    Raises ValidationError for an empty list, a repeated deployment or a bad name, and where a
    statement of a policy would not hold any more.
    """
    require_admin(by)
    if not ALIAS_FORM.fullmatch(name):
        raise ValidationError("An alias has letters, digits and . _ : / - only.")
    names = [deployment.name for deployment in deployments]
    if not names or len(set(names)) != len(names):
        raise ValidationError("An alias names at least one deployment, each once.")
    with changing():
        alias, created = ModelAlias.objects.get_or_create(name=name)
        before = alias.target_names()
        if before == names:
            return alias
        alias.targets.all().delete()
        AliasTarget.objects.bulk_create(
            AliasTarget(alias=alias, deployment=deployment, position=position)
            for position, deployment in enumerate(deployments)
        )
        if created:
            record_change(
                by, EventType.ALIAS_CREATED, "alias", alias.pk, name=name, deployments=names
            )
        else:
            record_change(
                by,
                EventType.ALIAS_CHANGED,
                "alias",
                alias.pk,
                name=name,
                before=before,
                after=names,
            )
        granted = Project.objects.filter(grants__deployment__in=deployments)
        require_statements(granted.distinct().order_by("slug"))
    return alias


def remove_alias(*, by: Acting, alias: ModelAlias) -> None:
    """Remove an alias; clients that ask for it get a 404."""
    require_admin(by)
    with changing():
        key = alias.pk
        alias.delete()
        record_change(by, EventType.ALIAS_REMOVED, "alias", key, name=alias.name)


def add_grant(*, by: Acting, project: Project, deployment: Deployment) -> None:
    """Let a project use a deployment. Its clearance stays what it is. Editors and admins may.

    Raises PermissionDenied, and ValidationError where a statement would not hold any more.
    """
    require(by, project, Role.EDITOR)
    with changing():
        grant, created = Grant.objects.get_or_create(project=project, deployment=deployment)
        if created:
            record_change(
                by,
                EventType.GRANT_ADDED,
                "grant",
                grant.pk,
                project=project.slug,
                deployment=deployment.name,
            )
            require_statements([project])


def remove_grant(*, by: Acting, project: Project, deployment: Deployment) -> None:
    """Take a deployment from a project. Editors and admins may."""
    require(by, project, Role.EDITOR)
    with changing():
        grant = Grant.objects.filter(project=project, deployment=deployment).first()
        if grant is None:
            return
        key = grant.pk
        grant.delete()
        record_change(
            by,
            EventType.GRANT_REMOVED,
            "grant",
            key,
            project=project.slug,
            deployment=deployment.name,
        )
