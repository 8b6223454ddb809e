"""Setting a project's limits."""

from django.core.exceptions import ValidationError
from django.db import transaction

from gateway.accounts.access import require_act
from gateway.accounts.acting import Acting, actor_name
from gateway.accounts.limits import NAMES, Limits, as_stated, highest, limits_of
from gateway.accounts.models import Project, ProjectLimits
from gateway.accounts.roles import Act
from gateway.audit.event_types import EventType
from gateway.audit.services import record_event


def set_limits(*, by: Acting, project: Project, limits: Limits) -> None:
    """Say how much a project may store and run. Admins only; what is there already stays.

    Raises PermissionDenied, ValidationError for a limit out of range.
    """
    require_act(by, Act.SET_LIMITS)
    for name in NAMES:
        value = getattr(limits, name)
        if value is not None and not 1 <= value <= highest(name):
            raise ValidationError(f"{name} must be from 1 to {highest(name)}.")
    with transaction.atomic():
        before = limits_of(project)
        changed = [name for name in NAMES if getattr(before, name) != getattr(limits, name)]
        if not changed:
            return
        stated = as_stated(limits)
        ProjectLimits.objects.update_or_create(
            project=project, defaults={name: stated.get(name) for name in NAMES}
        )
        # Not `record_change`: no snapshot reads limits.
        record_event(
            actor=actor_name(by),
            type=EventType.PROJECT_CHANGED,
            object_type="project",
            object_id=str(project.pk),
            project=project.slug,
            details={
                "fields": changed,
                "before": [str(getattr(before, name)) for name in changed],
                "after": [str(getattr(limits, name)) for name in changed],
            },
        )
