"""`manage.py approval ask|grant|refuse|list`: one request that a rule wants approved."""

import uuid
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from gateway.accounts.console import acting
from gateway.accounts.console import project as named_project
from policies.models import Approval
from policies.services.approvals import (
    approvals_for,
    ask_for_approval,
    grant_approval,
    refuse_approval,
)
from policies.services.conflicts import Conflict


class Command(BaseCommand):
    """Approves single requests, told by their digest."""

    help = "Ask for an approval of one refused request, grant it, refuse it, list what waits."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        ask = actions.add_parser("ask", help="ask that a refused request may pass")
        ask.add_argument("decision", help="the x-sluice-decision of the refusal")
        ask.add_argument("--project", required=True, metavar="SLUG")
        ask.add_argument("--reason", default="")
        grant = actions.add_parser("grant", help="let exactly these bytes pass for a while")
        grant.add_argument("--hours", type=float, default=24.0)
        refuse = actions.add_parser("refuse", help="let it stay refused")
        for action in (grant, refuse):
            action.add_argument("id")
            action.add_argument("--note", default="", help="for who asked")
        actions.add_parser("list", help="every one, the newest first")
        for action in actions.choices.values():
            action.add_argument("--by", metavar="EMAIL", help="who does it")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        by = acting(options["by"])
        try:
            match options["action"]:
                case "ask":
                    row = ask_for_approval(
                        by=by,
                        project=named_project(options["project"]),
                        decision_id=options["decision"],
                        reason=options["reason"],
                    )
                case "grant":
                    row = grant_approval(
                        by=by,
                        approval=_approval(options["id"]),
                        note=options["note"],
                        lifetime=timedelta(hours=options["hours"]),
                    )
                case "refuse":
                    row = refuse_approval(
                        by=by, approval=_approval(options["id"]), note=options["note"]
                    )
                case _:
                    for found in approvals_for(by):
                        self.stdout.write(_line(found))
                    return
        except (Conflict, PermissionDenied) as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(_line(row))


def _approval(key: str) -> Approval:
    try:
        found = Approval.objects.filter(pk=uuid.UUID(key)).select_related("project").first()
    except ValueError:
        found = None
    if found is None:
        raise CommandError(f"there is no approval {key[:40]}; see `approval list`")
    return found


def _line(row: Approval) -> str:
    until = f" until {row.expires_at:%Y-%m-%d %H:%M} UTC" if row.expires_at is not None else ""
    classes = ", ".join(f"{count} {name}" for name, count in row.classes.items())
    return (
        f"{row.pk} {row.state}{until}: {row.project.slug}, model {row.alias}, {row.sensitivity}"
        f"{f' ({classes})' if classes else ''}, {', '.join(row.rules)}, asked by {row.asked_by}: "
        f"{row.reason}"
    )
