"""Projects, who belongs to them, and their service accounts."""

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug

from gateway.accounts.access import require_act
from gateway.accounts.acting import Acting
from gateway.accounts.changes import changing, record_change
from gateway.accounts.masking_secrets import new_masking_secret
from gateway.accounts.models import APIKey, Membership, Project, ServiceAccount, User
from gateway.accounts.roles import Act, Role
from gateway.accounts.services.keys import floor_of
from gateway.accounts.statements import require_statements
from gateway.audit.event_types import EventType
from policies.engine.labels import Label, Sensitivity

DEFAULT_FLOOR = Label(Sensitivity.INTERNAL)


def create_project(
    *, by: Acting, slug: str, name: str = "", floor: Label = DEFAULT_FLOOR
) -> Project:
    """Create a project without members, grants or rules. Raises ValidationError for a taken slug.

    An admin who creates it does not become its member: whoever sends its data was added by name.
    """
    require_act(by, Act.CREATE_PROJECTS)
    validate_slug(slug)
    with changing():
        if Project.objects.filter(slug=slug).exists():
            raise ValidationError(f"There is a project {slug!r} already.")
        project = Project.objects.create(
            slug=slug,
            name=name.strip() or slug,
            floor_sensitivity=floor.sensitivity.word,
            floor_categories=sorted(floor.categories),
            masking_secret=new_masking_secret(),
        )
        record_change(
            by,
            EventType.PROJECT_CREATED,
            "project",
            project.pk,
            project=slug,
            name=project.name,
            floor=label_text(floor),
        )
    return project


def change_project(
    *,
    by: Acting,
    project: Project,
    name: str | None = None,
    floor: Label | None = None,
    archived: bool | None = None,
) -> None:
    """Change a project's settings; None leaves one as it is. Archived: its keys are dead.

    Only an admin lowers a floor or brings a project back, and only while every statement of the
    policies holds with that. Raises PermissionDenied, ValidationError.
    """
    require_owner_of(by, project)
    lowers = floor is not None and not _covers(floor, floor_of(project))
    if lowers or archived is False:
        require_act(by, Act.LOWER_FLOOR)
    before = {"name": project.name, "floor": label_text(floor_of(project))}
    before["archived"] = str(project.archived)
    with changing():
        if name is not None:
            project.name = name.strip() or project.slug
        if floor is not None:
            project.floor_sensitivity = floor.sensitivity.word
            project.floor_categories = sorted(floor.categories)
        if archived is not None:
            project.archived = archived
        after = {"name": project.name, "floor": label_text(floor_of(project))}
        after["archived"] = str(project.archived)
        changed = [field for field in after if before[field] != after[field]]
        if not changed:
            return
        project.save()
        record_change(
            by,
            EventType.PROJECT_CHANGED,
            "project",
            project.pk,
            project=project.slug,
            name=project.name,
            fields=changed,
            before=[before[field] for field in changed],
            after=[after[field] for field in changed],
        )
        if lowers or archived is False:
            require_statements([project])


def require_owner_of(by: Acting, project: Project) -> None:
    """Like `require`, but an admin may also reach an archived project."""
    if project.archived:
        require_act(by, Act.CREATE_PROJECTS)
    else:
        require_act(by, Act.CHANGE_PROJECT, project)


def _covers(floor: Label, other: Label) -> bool:
    return floor.sensitivity >= other.sensitivity and floor.categories >= other.categories


def label_text(label: Label) -> str:
    """A label as declarations write it: `confidential, health`."""
    return ", ".join([label.sensitivity.word, *sorted(label.categories)])


def add_member(*, by: Acting, project: Project, user: User, role: Role = Role.MEMBER) -> Membership:
    """Make a person a member, or change their role. Owners and admins may."""
    require_act(by, Act.CHANGE_MEMBERS, project)
    with changing():
        membership = Membership.objects.filter(project=project, user=user).first()
        if membership is None:
            membership = Membership.objects.create(project=project, user=user, role=role)
            record_change(
                by,
                EventType.MEMBER_ADDED,
                "membership",
                membership.pk,
                project=project.slug,
                user=str(user.pk),
                role=role.value,
            )
        elif membership.role != role:
            _refuse_last_owner(by, membership)
            before, membership.role = membership.role, role
            membership.save(update_fields=["role"])
            record_change(
                by,
                EventType.MEMBER_CHANGED,
                "membership",
                membership.pk,
                project=project.slug,
                user=str(user.pk),
                before=str(before),
                after=role.value,
            )
    return membership


def remove_member(*, by: Acting, project: Project, user: User) -> None:
    """Take a person out of a project; their keys in it stop working."""
    require_act(by, Act.CHANGE_MEMBERS, project)
    with changing():
        membership = Membership.objects.filter(project=project, user=user).first()
        if membership is None:
            return
        _refuse_last_owner(by, membership)
        key, role = membership.pk, membership.role
        membership.delete()
        record_change(
            by,
            EventType.MEMBER_REMOVED,
            "membership",
            key,
            project=project.slug,
            user=str(user.pk),
            role=str(role),
        )


def _refuse_last_owner(by: Acting, membership: Membership) -> None:
    """Nobody leaves a project without an owner; the configuration file and claims may."""
    owners = Membership.objects.filter(
        project=membership.project_id, role=Role.OWNER, user__is_active=True
    )
    if (
        isinstance(by, User)
        and membership.role == Role.OWNER
        and not owners.exclude(pk=membership.pk).exists()
    ):
        raise ValidationError("A project keeps an owner: make another one first.")


def create_service_account(
    *, by: Acting, project: Project, name: str, on_behalf_of: User | None = None
) -> ServiceAccount:
    """Create a service account. It acts for a person only if that person, or an admin, says so."""
    require_act(by, Act.KEEP_SERVICE_ACCOUNTS, project)
    validate_slug(name)
    if on_behalf_of is not None and by != on_behalf_of:
        require_act(by, Act.CHANGE_PEOPLE)
    with changing():
        if ServiceAccount.objects.filter(project=project, name=name).exists():
            raise ValidationError(f"The project has a service account {name!r} already.")
        account = ServiceAccount.objects.create(
            project=project, name=name, on_behalf_of=on_behalf_of
        )
        record_change(
            by,
            EventType.SERVICE_ACCOUNT_CREATED,
            "service_account",
            account.pk,
            project=project.slug,
            name=name,
        )
    return account


def deactivate_service_account(*, by: Acting, account: ServiceAccount) -> None:
    """Switch a service account off; its keys die with it."""
    require_act(by, Act.KEEP_SERVICE_ACCOUNTS, account.project)
    with changing():
        found = ServiceAccount.objects.filter(pk=account.pk, active=True)
        if not found.update(active=False):
            return
        record_change(
            by,
            EventType.SERVICE_ACCOUNT_DEACTIVATED,
            "service_account",
            account.pk,
            project=account.project.slug,
            name=account.name,
            keys=APIKey.objects.filter(service_account=account, revoked_at=None).count(),
        )
    account.refresh_from_db()
