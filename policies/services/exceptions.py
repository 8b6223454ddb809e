"""Exceptions: named rules out of effect in one project, for some or for all, until a date.

INVARIANT: an exception suspends rules; never a label, a floor or a clearance. Only admins suspend
the organisation's rules. It only ever ends: to extend one, make another.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.utils import timezone

from gateway.accounts.access import require, require_admin
from gateway.accounts.acting import Acting, actor_name
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import APIKey, Group, Membership, Project, User
from gateway.accounts.roles import Role
from gateway.accounts.services.second_person import require_second_person
from gateway.audit.event_types import EventType
from gateway.deployments.models import Deployment, ModelAlias
from policies.engine.document import Problem
from policies.engine.sentences import rule_sentence
from policies.models import RuleException
from policies.services.analysers import analyser_for
from policies.services.judging import NotPublished
from policies.services.names import SLUG
from policies.services.proving import contradicted, prove_in
from policies.services.publishing import clean_reason
from policies.services.suspending import suspended_rules
from policies.services.views import compile_for, read_shared

LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionWanted:
    """What an exception says. Empty groups, keys or aliases: it does not matter which."""

    name: str
    rules: tuple[str, ...]  # "organisation:health-stays", "project:code-masked"
    reason: str
    ends_at: datetime  # aware
    groups: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()  # visible prefixes
    aliases: tuple[str, ...] = ()


def create_exception(
    *,
    by: Acting,
    project: Project,
    wanted: ExceptionWanted,
    owner: User,
    approved_by: User | None = None,
) -> RuleException:
    """Suspend rules of a project, or of the organisation for this project.

    Editors suspend their project's rules, admins the organisation's; where the organisation asks
    for a second person for what widens, that is needed. `owner` answers for it: an active member
    or an admin. Refused while a `never` statement would have a counterexample with it.

    Raises PermissionDenied, ValidationError (with a message per field), NotPublished,
    SecondPersonNeeded.
    """
    require_may_suspend(by, project, wanted.rules)
    with changing():
        problems = _problems(project, wanted, owner)
        if problems:
            raise ValidationError(problems)
        require_second_person(by, approved_by)
        _require_statements(project, wanted)
        row = RuleException.objects.create(
            project=project,
            name=wanted.name,
            rules=sorted(set(wanted.rules)),
            groups=sorted(set(wanted.groups)),
            keys=sorted(set(wanted.keys)),
            aliases=sorted(set(wanted.aliases)),
            owner=owner,
            reason=clean_reason(wanted.reason),
            created_by=actor_name(by),
            ends_at=wanted.ends_at,
        )
        record_change(
            by,
            EventType.EXCEPTION_CREATED,
            "exception",
            row.pk,
            project=project.slug,
            name=row.name,
            rules=row.rules,
            groups=row.groups,
            keys=row.keys,
            aliases=row.aliases,
            owner=actor_name(owner),
            ends_at=row.ends_at.isoformat(),
            reason=row.reason,
            approved_by=actor_name(approved_by) if approved_by is not None else "",
        )
    return row


def require_may_suspend(by: Acting, project: Project, rules: Iterable[str]) -> None:
    """Raises PermissionDenied unless `by` may suspend these rules in the project."""
    require(by, project, Role.EDITOR)
    if any(rule.startswith("organisation:") for rule in rules):
        require_admin(by)


def require_sound(project: Project, wanted: ExceptionWanted, owner: User) -> None:
    """Raises ValidationError (with a message per field) or NotPublished unless the exception could
    be made now, whoever agrees to it."""
    problems = _problems(project, wanted, owner)
    if problems:
        raise ValidationError(problems)
    _require_statements(project, wanted)


def end_exception(*, by: Acting, exception: RuleException, reason: str = "") -> None:
    """Let the rules hold again at once. Editors may, of whatever it suspends: that only narrows.

    Raises PermissionDenied. One that has ended stays as it is.
    """
    require(by, exception.project, Role.EDITOR)
    reason = clean_reason(reason)
    with changing():
        ended = RuleException.objects.filter(pk=exception.pk, ended_at__isnull=True)
        if not ended.update(ended_at=timezone.now(), ended_by=actor_name(by)):
            return
        record_change(
            by,
            EventType.EXCEPTION_ENDED,
            "exception",
            exception.pk,
            project=exception.project.slug,
            name=exception.name,
            rules=exception.rules,
            reason=reason,
        )
    exception.refresh_from_db()


def exceptions_of(project: Project) -> Sequence[RuleException]:
    """Every exception that the project ever had, those that end first before. Checks no access."""
    return list(RuleException.objects.filter(project=project).select_related("owner", "project"))


def _problems(project: Project, wanted: ExceptionWanted, owner: User) -> dict[str, str]:
    found: dict[str, str] = {}
    if not SLUG.fullmatch(wanted.name):
        found["name"] = "A name has letters, digits, - and _ only, up to 63."
    elif RuleException.objects.filter(
        project=project, name=wanted.name, ended_at__isnull=True
    ).exists():
        found["name"] = "The project has an exception of this name: end it, or choose another name."
    if not wanted.reason.strip():
        found["reason"] = "Say why: it stands wherever the policy is shown."
    now = timezone.now()
    if wanted.ends_at <= now:
        found["ends_at"] = "This date is past."
    elif wanted.ends_at > now + LONGEST:
        found["ends_at"] = f"An exception lasts {LONGEST.days} days at most."
    if not (owner.is_active and (owner.is_admin or _belongs(owner, project))):
        found["owner"] = "The owner is an active member of the project, or an admin."
    return found | _scope_problems(project, wanted)


def _scope_problems(project: Project, wanted: ExceptionWanted) -> dict[str, str]:
    found: dict[str, str] = {}
    known = set(rule_names(project))
    if not wanted.rules:
        found["rules"] = "Name at least one rule, as project:ID or organisation:ID."
    elif not known.issuperset(wanted.rules):
        listed = ", ".join(sorted(known)) or "none"
        found["rules"] = f"Some of these rules are not in effect. In effect are: {listed}."
    groups = set(Group.objects.filter(slug__in=wanted.groups).values_list("slug", flat=True))
    keys = APIKey.objects.filter(project=project, prefix__in=wanted.keys, revoked_at=None)
    aliases = ModelAlias.objects.filter(name__in=wanted.aliases).values_list("name", flat=True)
    for field, named, there in (
        ("groups", wanted.groups, groups),
        ("keys", wanted.keys, set(keys.values_list("prefix", flat=True))),
        ("aliases", wanted.aliases, set(aliases)),
    ):
        missing = sorted(set(named) - there)
        if missing:
            found[field] = f"Not known here: {', '.join(missing)[:200]}."
    return found


def rule_names(project: Project) -> tuple[str, ...]:
    """The rules in effect in a project, the organisation's first."""
    return tuple(rule_sentences(project))


def rule_sentences(project: Project) -> dict[str, str]:
    """What each rule in effect in a project says, by its name, the organisation's first."""
    shared = read_shared(list(Deployment.objects.all()))
    policy = compile_for(project, shared, shared.documents.get(project.pk))
    return {rule.key: rule_sentence(rule.rule) for rule in policy.rules}


def _belongs(owner: User, project: Project) -> bool:
    return Membership.objects.filter(user=owner, project=project).exists()


def _require_statements(project: Project, wanted: ExceptionWanted) -> None:
    shared = read_shared(list(Deployment.objects.all()))
    policy = compile_for(project, shared, shared.documents.get(project.pk))
    if not policy.never:
        return
    proofs = prove_in(
        policy,
        analyser_for(shared.own_classes(project)),
        organisation=shared.organisation,
        suspended=suspended_rules(project) | frozenset(wanted.rules),
    )
    broken = contradicted(proofs)
    if broken:
        raise NotPublished(
            tuple(
                Problem(
                    "/rules",
                    f"With this exception the {item.scope} could not state any more: "
                    f"{item.sentence}",
                    "Suspend less, or take the statement back.",
                )
                for item in broken
            )
        )
