"""`manage.py exception add|end|list`: rules out of effect for a while."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from typing_extensions import override

from gateway.accounts.console import acting, person
from gateway.accounts.console import project as named_project
from gateway.accounts.services.second_person import SecondPersonNeeded
from policies.models import RuleException
from policies.services.exceptions import (
    ExceptionWanted,
    create_exception,
    end_exception,
    exceptions_of,
)
from policies.services.judging import NotPublished


class Command(BaseCommand):
    """Suspends named rules in one project until a date."""

    help = "Suspend named rules in a project until a date, end that, list what is suspended."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add = actions.add_parser("add", help="suspend rules")
        add.add_argument("name")
        add.add_argument("--rule", action="append", default=[], help="project:ID, organisation:ID")
        add.add_argument("--owner", required=True, metavar="EMAIL", help="who answers for it")
        add.add_argument("--ends", required=True, metavar="TIME", help="2027-01-31[T12:00:00Z]")
        add.add_argument("--reason", required=True)
        for scope in ("group", "key", "alias"):
            add.add_argument(f"--{scope}", action="append", default=[], help=f"only this {scope}")
        add.add_argument("--approved-by", metavar="EMAIL", help="the second person")
        end = actions.add_parser("end", help="let the rules hold again at once")
        end.add_argument("name")
        end.add_argument("--reason", default="")
        listing = actions.add_parser("list", help="every one, ended ones too")
        for action in (add, end, listing):
            action.add_argument("--project", required=True, metavar="SLUG")
        for action in (add, end):
            action.add_argument("--by", metavar="EMAIL", help="who does it")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["action"]:
                case "add":
                    self._add(options)
                case "end":
                    self._end(options)
                case _:
                    self._list(options["project"])
        except (NotPublished, PermissionDenied, SecondPersonNeeded) as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(said(error)) from error

    def _add(self, options: dict[str, Any]) -> None:
        approver = options["approved_by"]
        row = create_exception(
            by=acting(options["by"]),
            project=named_project(options["project"]),
            wanted=ExceptionWanted(
                name=options["name"],
                rules=tuple(options["rule"]),
                reason=options["reason"],
                ends_at=_moment(options["ends"]),
                groups=tuple(options["group"]),
                keys=tuple(options["key"]),
                aliases=tuple(options["alias"]),
            ),
            owner=person(options["owner"]),
            approved_by=person(approver) if approver else None,
        )
        self.stdout.write(line(row))

    def _end(self, options: dict[str, Any]) -> None:
        project = named_project(options["project"])
        row = RuleException.objects.filter(
            project=project, name=options["name"], ended_at__isnull=True
        ).first()
        if row is None:
            raise CommandError(f"the project has no exception {options['name']} that holds")
        end_exception(by=acting(options["by"]), exception=row, reason=options["reason"])
        self.stdout.write(f"{row.name} has ended")

    def _list(self, slug: str) -> None:
        rows = exceptions_of(named_project(slug))
        for row in rows:
            self.stdout.write(line(row))
        if not rows:
            self.stdout.write("no exceptions")


def line(row: RuleException) -> str:
    """One exception as a line."""
    over = row.ended_at is not None or row.ends_at <= timezone.now()
    scopes = [
        f"{what} {', '.join(names)}"
        for what, names in (("group", row.groups), ("key", row.keys), ("model", row.aliases))
        if names
    ]
    return (
        f"{row.name}: {', '.join(row.rules)} {'were' if over else 'are'} suspended until "
        f"{row.ended_at or row.ends_at:%Y-%m-%d %H:%M} UTC for {'; '.join(scopes) or 'everybody'}; "
        f"owner {row.owner.email}: {row.reason}"
    )


def said(error: ValidationError) -> str:
    """Every message with its field, if it has one."""
    if hasattr(error, "error_dict"):
        return "; ".join(
            f"{field}: {' '.join(messages)}" for field, messages in error.message_dict.items()
        )
    return " ".join(error.messages)


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
        if moment is None and (day := parse_date(text)) is not None:
            moment = datetime(day.year, day.month, day.day, tzinfo=timezone.get_default_timezone())
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f"{text} is no time: write 2027-01-31 or 2027-01-31T12:00:00Z")
    return moment if moment.tzinfo is not None else timezone.make_aware(moment)
