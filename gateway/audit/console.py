"""The parts of `manage.py audit` that ask and decide. They act for whoever runs Sluice."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from gateway.audit.anchors import anchors
from gateway.audit.event_search import EventSearch, search_events
from gateway.audit.event_types import EventType
from gateway.audit.export import ExportKind
from gateway.audit.heads import Heads, Malformed, read_anchor
from gateway.audit.holds import NotKept, end_hold, place_hold
from gateway.audit.left import Left, what_left
from gateway.audit.models import AuditEvent, RequestRecord
from gateway.audit.retention import Kind, set_retention
from gateway.audit.sealing import LAST_HEAD_FILE, heads_of_database, public_keys, sealed_age
from gateway.audit.sealing_models import Delivery, HoldSubject, LegalHold, RetentionRule
from gateway.audit.search import NoSuchPage, Search, search
from gateway.audit.services import record_event
from gateway.audit.signing import KeyUnreadable
from gateway.audit.streaming.destinations import Kind as Place

Write = Callable[[str], object]
ACTOR: Final = "system:command-line"


def moment(text: str) -> datetime:
    """A time as typed, UTC unless it says otherwise. Raises ArgumentTypeError."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        wanted = "a time such as 2026-01-31 or 2026-01-31T12:00Z"
        raise argparse.ArgumentTypeError(f"not {wanted}") from None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def add_questions(actions: Any) -> None:
    """The sub-commands of this module."""
    look = actions.add_parser(
        "search", help="requests, or changes, that meet all conditions, newest first"
    )
    look.add_argument("--kind", choices=list(ExportKind), default=ExportKind.REQUESTS)
    look.add_argument("--project", action="append", default=[])
    look.add_argument("--person", metavar="EMAIL", help="sent or changed by them, or for them")
    look.add_argument("--actor", default="", help="the same by id: user:<uuid>")
    add_event_conditions(look)
    for name in ("zone", "deployment", "category", "decision"):
        look.add_argument(f"--{name}", default="")
    look.add_argument("--class", dest="data_class", default="", help="IBAN, for example")
    look.add_argument("--limit", type=int, default=50)
    look.add_argument("--after", default="", help="the page after the one that printed this")
    left = actions.add_parser("left", help="what left the house for a project")
    left.add_argument("project_slug", metavar="PROJECT")
    for question in (look, left):
        question.add_argument("--since", type=moment, help="from this time on")
        question.add_argument("--until", type=moment, help="before this time")
    keep = actions.add_parser("retention", help="show or set how many days data is kept")
    keep.add_argument("kind", nargs="?", help=", ".join(Kind))
    keep.add_argument("days", nargs="?", help="a number of days, or `for-ever`")
    held = actions.add_parser("hold", help="show, place or end a legal hold")
    held.add_argument("--project", default="")
    held.add_argument("--person", metavar="EMAIL")
    held.add_argument("--reason", default="")
    held.add_argument("--end", action="store_true")


def add_event_conditions(parser: argparse.ArgumentParser) -> None:
    """What narrows changes."""
    parser.add_argument("--type", action="append", default=[], help="of changes: key.created")
    parser.add_argument(
        "--object", default="", metavar="TYPE[:ID]", help="of changes: what was changed"
    )


def look_through(options: dict[str, Any], write: Write) -> None:
    """Print a page, a line of JSON each, and what asks for the next one."""
    events = options["kind"] == ExportKind.EVENTS
    search_changes(options, write) if events else search_requests(options, write)


def search_changes(options: dict[str, Any], write: Write) -> None:
    """The same of changes: who changed what, when."""
    for name in ("zone", "deployment", "category", "decision", "data_class"):
        if options[name]:
            raise CommandError(f"changes have no {name}: --kind requests")
    what, which = object_in(options)
    wanted = EventSearch(
        projects=tuple(options["project"]),
        actor=actor_in(options),
        types=types_in(options),
        object_type=what,
        object_id=which,
        since=options["since"],
        until=options["until"],
    )
    _asked("events", wanted.projects, wanted.since, wanted.until, wanted.named())
    try:
        page = search_events(wanted, after=options["after"], limit=options["limit"])
    except NoSuchPage as error:
        raise CommandError(str(error)) from None
    for row in page.rows:
        write(msgspec.json.encode(event_summary(row)).decode())
    if page.next:
        write(msgspec.json.encode({"next": page.next}).decode())


def actor_in(options: dict[str, Any]) -> str:
    """By whom, as audit rows name them; empty: anybody. Raises CommandError."""
    return options["actor"] or (_person(options["person"]) if options["person"] else "")


def object_in(options: dict[str, Any]) -> tuple[str, str]:
    """What was changed: its type, and its id or ""."""
    what, _, which = options["object"].partition(":")
    return what, which


def types_in(options: dict[str, Any]) -> tuple[str, ...]:
    """The types of events that are asked for. Raises CommandError for one that there is none of."""
    known = {each.value for each in EventType}
    for name in options["type"]:
        if name not in known:
            raise CommandError(f"there is no type {name!r}; docs/audit.md lists them")
    return tuple(options["type"])


def event_summary(row: AuditEvent) -> dict[str, object]:
    """What a list shows of a change."""
    return {
        "at": row.at.isoformat(),
        "seq": row.seq,
        "type": row.type,
        "actor": row.actor,
        "project": row.project,
        "object_type": row.object_type,
        "object_id": row.object_id,
        "details": row.details,
    }


def search_requests(options: dict[str, Any], write: Write) -> None:
    """A page of requests."""
    if options["type"] or options["object"]:
        raise CommandError("requests have no --type and no --object: --kind events")
    wanted = Search(
        projects=tuple(options["project"]),
        actor=actor_in(options),
        zone=options["zone"],
        deployment=options["deployment"],
        category=options["category"],
        data_class=options["data_class"],
        decision=options["decision"],
        since=options["since"],
        until=options["until"],
    )
    _asked("search", wanted.projects, wanted.since, wanted.until, wanted.named())
    try:
        page = search(wanted, after=options["after"], limit=options["limit"])
    except NoSuchPage as error:
        raise CommandError(str(error)) from None
    for row in page.rows:
        write(msgspec.json.encode(summary(row)).decode())
    if page.next:
        write(msgspec.json.encode({"next": page.next}).decode())


def summary(row: RequestRecord) -> dict[str, object]:
    """What a list shows of a request."""
    return {
        "at": row.at.isoformat(),
        "decision_id": row.decision_id,
        "project": row.project,
        "actor": row.actor,
        "on_behalf_of": row.on_behalf_of,
        "sensitivity": row.sensitivity,
        "categories": row.categories,
        "classes": row.classes,
        "decision": row.decision,
        "deployment": row.deployment,
        "zone": row.zone,
        "outcome": row.outcome_state,
        "status": row.status,
    }


def what_left_for(options: dict[str, Any], write: Write) -> None:
    """Print the one answer."""
    project, since, until = options["project_slug"], options["since"], options["until"]
    _asked("left", (project,), since, until, [])
    write(answer_text(what_left(project, since=since, until=until, vendors=_vendors())))


def answer_text(answer: Left) -> str:
    """The answer in lines."""
    since = f"since {answer.since:%Y-%m-%dT%H:%M:%SZ}" if answer.since else "since the beginning"
    until = f" until {answer.until:%Y-%m-%dT%H:%M:%SZ}" if answer.until else ""
    lines = [
        f"{answer.requests} requests of {answer.project} left the house {since}{until}:"
        f" {answer.masked} with something masked, {answer.unmasked} as they were"
    ]
    if answer.unknown:
        lines.append(f"{answer.unknown} more were allowed, and how they ended is not known")
    for name in ("zones", "vendors", "deployments", "sensitivities", "categories", "classes"):
        counts = getattr(answer, name).most_common()
        if counts:
            lines.append(f"{name}: " + ", ".join(f"{key} {count}" for key, count in counts))
    return "\n".join(lines)


def retention(options: dict[str, Any], write: Write) -> None:
    """Show the rules, or change one."""
    kind, days = options["kind"], options["days"]
    if kind is None:
        known = {kind.value: "for ever" for kind in Kind}
        known |= {rule.kind: f"{rule.days} days" for rule in RetentionRule.objects.all()}
        for name, kept in known.items():
            write(f"{name}: {kept}")
        return
    if days is None or not (days == "for-ever" or days.isdecimal()):
        raise CommandError("say for how many days, or `for-ever`")
    try:
        new = None if days == "for-ever" else int(days)
        changed = set_retention(actor=ACTOR, kind=kind, days=new)
    except NotKept as error:
        raise CommandError(str(error)) from None
    write("changed" if changed else "it was so already")


def hold(options: dict[str, Any], write: Write) -> None:
    """Show the holds, or place or end one."""
    if not options["project"] and not options["person"]:
        for row in LegalHold.objects.filter(ended_at=None).order_by("since"):
            write(f"{row.kind} {row.subject} since {row.since:%Y-%m-%d}: {row.reason}")
        return
    kind, subject = HoldSubject.PROJECT, options["project"]
    if options["person"]:
        kind, subject = HoldSubject.PERSON, _person(options["person"])
    act = end_hold if options["end"] else place_hold
    try:
        act(actor=ACTOR, kind=kind, subject=subject, reason=options["reason"])
    except NotKept as error:
        raise CommandError(str(error)) from None
    write("ended" if options["end"] else "held")


def known_heads(anchor: str | None) -> Heads:
    """All heads, held against everything that keeps heads and can be read here.

    Raises CommandError when a file or the key cannot be read.
    """
    try:
        keys = public_keys()
        paths = [to.path for to in anchors() if to.kind is Place.FILE]
        if anchor:
            paths.append(anchor)
        kept = settings.VAR_DIR / LAST_HEAD_FILE
        if kept.exists():
            paths.append(str(kept))
        anchored = []
        for path in paths:  # before the database: no head may be signed in between
            with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                anchored += list(read_anchor(file, keys))
        heads = heads_of_database(keys)
    except (OSError, KeyUnreadable, Malformed) as error:
        raise CommandError(f"the heads cannot be verified: {error}") from None
    heads.compare(anchored)
    return heads


def status(write: Write) -> bool:
    """Print how sealing, anchors and streams do; whether all is well."""
    age = sealed_age()
    well = age is not None
    write(f"last head: {int(age.total_seconds())} s ago" if age else "no head was signed yet")
    for row in Delivery.objects.order_by("purpose", "label"):
        if row.failures:
            well = False
            since = f"{row.failing_since:%Y-%m-%dT%H:%M:%SZ}" if row.failing_since else "now"
            state = f"FAILING since {since}, {row.failures} times: {row.last_error}"
        else:
            state = (
                f"delivered {row.delivered_at:%Y-%m-%dT%H:%M:%SZ}" if row.delivered_at else "new"
            )
        write(f"{row.purpose} {row.label}: {state}")
    return well


def _asked(
    question: str,
    projects: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    conditions: list[str],
) -> None:
    project = projects[0] if len(projects) == 1 else ""
    record_event(
        actor=ACTOR,
        type=EventType.AUDIT_SEARCHED,
        object_type="audit",
        object_id=question,
        project=project,
        details={
            "question": question,
            "project": project,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
            "conditions": conditions,
        },
    )


def _person(email: str) -> str:
    """As audit rows name a person. Raises CommandError."""
    people = get_user_model()
    try:
        return f"user:{people._default_manager.get_by_natural_key(email).pk}"
    except people.DoesNotExist:
        raise CommandError("nobody has this e-mail address") from None


def _vendors() -> dict[str, str]:
    """Of deployments that are still known, by name."""
    if not apps.is_installed("gateway.deployments"):
        return {}
    rows = apps.get_model("deployments", "Deployment")._default_manager
    return dict(rows.values_list("name", "vendor"))
