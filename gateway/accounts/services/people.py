"""People and what they may do in the installation; groups; the organisation's own settings."""

from collections.abc import Collection, Iterable, Sequence

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email, validate_slug

from gateway.accounts.access import require_act
from gateway.accounts.acting import Acting
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import APIKey, Group, Organisation, User, normalise_email
from gateway.accounts.roles import Act, OrganisationRole
from gateway.accounts.services.second_person import require_another
from gateway.accounts.services.sessions import end_all_sessions
from gateway.audit.event_types import EventType


def create_user(
    *,
    by: Acting,
    email: str,
    name: str = "",
    password: str | None = None,
    role: OrganisationRole = OrganisationRole.NONE,
) -> User:
    """Create a person's account. Without a password nobody can log in to it yet.

    Raises PermissionDenied, ValidationError (a bad or taken address, a weak password).
    """
    require_act(by, Act.CHANGE_PEOPLE)
    email = normalise_email(email)
    validate_email(email)
    user = User(email=email, name=name.strip(), organisation_role=role)
    if password is None:
        user.set_unusable_password()
    else:
        validate_password(password, user)
        user.set_password(password)
    with changing():
        if User.objects.filter(email=email).exists():
            raise ValidationError("There is an account with this e-mail address already.")
        user.save(force_insert=True)
        record_change(by, EventType.USER_CREATED, "user", user.pk, roles=role.value)
    return user


def set_password(*, by: Acting, user: User, password: str) -> None:
    """Set a person's password: their own, or an admin anybody's. Ends their sessions.

    Raises PermissionDenied, ValidationError (a weak one).
    """
    if by != user:
        require_act(by, Act.CHANGE_PEOPLE)
    validate_password(password, user)
    with changing():
        user.set_password(password)
        user.save(update_fields=["password"])
        method = "own" if by == user else "admin"
        record_change(by, EventType.PASSWORD_CHANGED, "user", user.pk, method=method)
        end_all_sessions(by, user, reason="password_changed")


def change_user_role(*, by: Acting, user: User, role: OrganisationRole) -> None:
    """Give a person another role in the organisation. The last active admin stays one."""
    require_act(by, Act.CHANGE_PEOPLE)
    with changing():
        before = user.organisation_role
        if before == role:
            return
        if role != OrganisationRole.ADMIN:
            _refuse_last_admin(user)
        user.organisation_role = role
        user.save(update_fields=["organisation_role"])
        record_change(
            by,
            EventType.USER_CHANGED,
            "user",
            user.pk,
            fields="organisation_role",
            before=str(before),
            after=role.value,
        )


def deactivate_user(*, by: Acting, user: User) -> None:
    """Switch a person's account off. Their sessions and keys, and those acting for them, die."""
    require_act(by, Act.CHANGE_PEOPLE)
    with changing():
        _refuse_last_admin(user)
        if not User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
            return
        keys = APIKey.objects.filter(user=user, revoked_at=None).count()
        record_change(by, EventType.USER_DEACTIVATED, "user", user.pk, keys=keys)
        end_all_sessions(by, user, reason="deactivated")
    user.refresh_from_db()


def reactivate_user(*, by: Acting, user: User) -> None:
    """Switch an account on again. Keys that were not revoked live again, too."""
    require_act(by, Act.CHANGE_PEOPLE)
    with changing():
        if not User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
            return
        record_change(by, EventType.USER_REACTIVATED, "user", user.pk)
    user.refresh_from_db()


def _refuse_last_admin(user: User) -> None:
    admins = User.objects.filter(is_active=True, organisation_role=OrganisationRole.ADMIN)
    if user.is_admin and not admins.exclude(pk=user.pk).exists():
        raise ValidationError("The last active admin must stay one: make another admin first.")


def set_group(*, by: Acting, slug: str, members: Iterable[User]) -> Group:
    """Make a group, or give it exactly these members."""
    require_act(by, Act.CHANGE_GROUPS)
    validate_slug(slug)
    with changing():
        group, created = Group.objects.get_or_create(slug=slug)
        before = set(group.members.values_list("pk", flat=True))
        members = list(members)
        after = {user.pk for user in members}
        if before == after and not created:
            return group
        group.members.set(members)
        record_change(
            by,
            EventType.GROUP_CHANGED,
            "group",
            group.pk,
            name=slug,
            added=sorted(map(str, after - before)),
            removed=sorted(map(str, before - after)),
        )
    return group


def remove_group(*, by: Acting, group: Group) -> None:
    """Remove a group; rules that name it match nobody any more."""
    require_act(by, Act.CHANGE_GROUPS)
    with changing():
        key, removed = group.pk, sorted(map(str, group.members.values_list("pk", flat=True)))
        group.delete()
        record_change(
            by,
            EventType.GROUP_CHANGED,
            "group",
            key,
            name=group.slug,
            added=[],
            removed=removed,
        )


def change_organisation(  # noqa: PLR0913 -- one for each setting
    *,
    by: Acting,
    name: str | None = None,
    second_person_for_widening: bool | None = None,
    second_person_for_organisation_policy: bool | None = None,
    second_person_for_project_policies: bool | None = None,
    second_factor_for: Collection[OrganisationRole] | None = None,
    claim_rules: Sequence[Sequence[str]] | None = None,
    approved_by: User | None = None,
) -> Organisation:
    """Change the organisation's settings; None leaves one as it is.

    It takes a second person to do without the second person. Raises SecondPersonNeeded.
    """
    require_act(by, Act.CHANGE_ORGANISATION)
    switches = {
        "second_person_for_widening": second_person_for_widening,
        "second_person_for_organisation_policy": second_person_for_organisation_policy,
        "second_person_for_project_policies": second_person_for_project_policies,
    }
    wanted: dict[str, object] = {"name": name, **switches}
    if second_factor_for is not None:
        wanted["second_factor_for"] = [
            role.value for role in OrganisationRole if role in second_factor_for
        ]
    if claim_rules is not None:
        wanted["claim_rules"] = [list(rule) for rule in claim_rules]
    with changing():
        organisation = Organisation.load()
        changed = {
            field: value
            for field, value in wanted.items()
            if value is not None and getattr(organisation, field) != value
        }
        if not changed:
            return organisation
        if any(changed.get(switch) is False for switch in switches):
            require_another(by, approved_by, "Doing without a second person")
        before = [f"{field}={getattr(organisation, field)}" for field in changed]
        for field, value in changed.items():
            setattr(organisation, field, value)
        organisation.save(update_fields=list(changed))
        record_change(
            by,
            EventType.ORGANISATION_CHANGED,
            "organisation",
            organisation.pk,
            fields=sorted(changed),
            before=before,
            after=[f"{field}={value}" for field, value in changed.items()],
        )
    return organisation
