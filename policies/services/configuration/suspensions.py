"""Exceptions and policies in shadow in the configuration file.

An export has the exceptions that hold. One whose end is past by the time a file is applied is left
alone; one that changed is ended and made anew, because an exception never changes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from gateway.accounts.models import Project, User
from policies.engine.problems import Place
from policies.models import RuleException
from policies.services.configuration.steps import Authority, Run, Step, Verb
from policies.services.exceptions import ExceptionWanted, create_exception, end_exception
from policies.services.shadows import start_shadow

FIELDS = ("rules", "owner", "reason", "ends_at", "groups", "keys", "aliases")
_REQUIRED = ("rules", "owner", "reason", "ends_at")
_RULE = r"(organisation|project):[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionEntry:
    """An exception as a file has it; its name is its key."""

    rules: tuple[str, ...]
    owner: str  # e-mail address
    reason: str
    ends_at: datetime
    groups: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


Exceptions = Mapping[str, ExceptionEntry]


def read_exceptions(place: Place) -> dict[str, ExceptionEntry]:
    """The exceptions of a project by name. Whether what they name is there is seen when applied."""
    if not isinstance(place.value, dict):
        place.refuse("This is not a mapping.", "Write the name of an exception, then what it is.")
        return {}
    found: dict[str, ExceptionEntry] = {}
    for name, value in place.value.items():
        at = place.at(str(name), value)
        before = len(at.problems)
        fields = at.fields(FIELDS, required=_REQUIRED)
        words = {
            field: tuple(item.text() or "" for item in fields[field].items())
            if field in fields
            else ()
            for field in ("groups", "keys", "aliases")
        }
        rules = fields["rules"].items() if "rules" in fields else []
        entry = ExceptionEntry(
            rules=tuple(
                item.text(pattern=_RULE, what="a rule", form="project:ID or organisation:ID") or ""
                for item in rules
            ),
            owner=(fields["owner"].text(what="an e-mail address") or "").lower()
            if "owner" in fields
            else "",
            reason=(fields["reason"].text() or "") if "reason" in fields else "",
            ends_at=_moment(fields.get("ends_at")),
            **words,
        )
        if len(at.problems) == before:
            found[str(name)] = entry
    return found


def exceptions_in_effect(project: Project) -> dict[str, ExceptionEntry]:
    """What the database has."""
    rows = RuleException.objects.filter(
        project=project, ended_at__isnull=True, ends_at__gt=timezone.now()
    )
    return {row.name: _entry(row) for row in rows.select_related("owner").order_by("name")}


def as_data(exceptions: Exceptions) -> dict[str, dict[str, Any]]:
    """As a file has them."""
    return {
        name: {
            field: value.isoformat()
            if isinstance(value, datetime)
            else list(value)
            if isinstance(value, tuple)
            else value
            for field, value in asdict(entry).items()
            if value or field in _REQUIRED
        }
        for name, entry in exceptions.items()
    }


def plan_exceptions(
    slug: str, before: Exceptions, after: Exceptions | None, *, prune: bool
) -> Iterator[Step]:
    """Steps for a project's exceptions; its policies' steps come first."""
    for name, entry in (after or {}).items():
        had = before.get(name)
        if had == entry or entry.ends_at <= timezone.now():
            continue
        suspends = f"suspends {', '.join(entry.rules)} until {entry.ends_at.isoformat()}"
        yield Step(
            verb=Verb.CREATE if had is None else Verb.CHANGE,
            subject=f"exception {name} of {slug}",
            lines=(f"owner: {entry.owner}",),
            widens=(suspends,),
            run=_set(slug, name, entry),
        )
    if prune and after is not None:
        for name in before:
            if name not in after:
                yield Step(
                    verb=Verb.REMOVE,
                    subject=f"exception {name} of {slug}",
                    run=_end(slug, name),
                )


def plan_shadow(
    slug: str, before: Mapping[str, object] | None, after: Mapping[str, object] | None
) -> Iterator[Step]:
    """The step that puts a policy in shadow in a project. It has no effect on requests."""
    if after is None or before == after:
        return
    yield Step(
        verb=Verb.CREATE if before is None else Verb.CHANGE,
        subject=f"policy in shadow in project {slug}",
        run=lambda authority: start_shadow(
            by=authority.by,
            project=Project.objects.get(slug=slug),
            document=after,
            source="configuration file",
        ),
    )


def _entry(row: RuleException) -> ExceptionEntry:
    return ExceptionEntry(
        rules=tuple(row.rules),
        owner=row.owner.email,
        reason=row.reason,
        ends_at=row.ends_at,
        groups=tuple(row.groups),
        keys=tuple(row.keys),
        aliases=tuple(row.aliases),
    )


def _moment(place: Place | None) -> datetime:
    """A moment; the latest of all after noting a problem."""
    text = place.text(what="a time") if place is not None else None
    try:
        moment = parse_datetime(text) if text is not None else None
    except ValueError:
        moment = None
    if moment is not None and moment.tzinfo is not None:
        return moment
    if place is not None and text is not None:
        place.refuse("This is no time with its zone.", "Write 2028-01-31T12:00:00Z.")
    return datetime.max.replace(tzinfo=timezone.get_default_timezone())


def _set(slug: str, name: str, entry: ExceptionEntry) -> Run:
    def run(authority: Authority) -> None:
        project = Project.objects.get(slug=slug)
        owner = User.objects.filter(email=entry.owner).first()
        if owner is None:
            raise ValidationError("Its owner has no account.")
        _end(slug, name)(authority)
        create_exception(
            by=authority.by,
            project=project,
            wanted=ExceptionWanted(
                name=name,
                rules=entry.rules,
                reason=entry.reason,
                ends_at=entry.ends_at,
                groups=entry.groups,
                keys=entry.keys,
                aliases=entry.aliases,
            ),
            owner=owner,
            approved_by=authority.approved_by,
        )

    return run


def _end(slug: str, name: str) -> Run:
    def run(authority: Authority) -> None:
        row = RuleException.objects.filter(
            project__slug=slug, name=name, ended_at__isnull=True
        ).first()
        if row is not None:
            end_exception(by=authority.by, exception=row, reason="configuration file")

    return run
