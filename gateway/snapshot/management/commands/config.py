"""`manage.py config apply|diff|export`: the control plane in one file."""

import sys
from argparse import ArgumentParser
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from gateway.accounts.acting import System
from gateway.accounts.console import acting, person
from gateway.audit.event_types import EventType
from gateway.audit.services import record_event
from gateway.deployments.services import SecondPersonNeeded
from policies.services.configuration import (
    Authority,
    ConfigFile,
    ConfigurationError,
    Plan,
    WideningRefused,
    apply,
    apply_at_start,
    export,
    rehearse,
)


class Command(BaseCommand):
    """Applies, compares and writes `sluice.yaml`."""

    help = "Apply, compare or write the configuration file (docs/configuration.md)."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        applying = actions.add_parser("apply", help="bring the database to the file")
        applying.add_argument("file", type=Path, help="the file; - reads standard input")
        applying.add_argument("--prune", action="store_true", help="remove what it lacks")
        applying.add_argument(
            "--yes-widen", action="store_true", help="yes, more may leave; recorded"
        )
        applying.add_argument(
            "--accept-unproven",
            action="store_true",
            help="take `never` statements that are too large to be proven",
        )
        applying.add_argument("--by", metavar="EMAIL", help="the admin who applies it")
        applying.add_argument("--approved-by", metavar="EMAIL", help="the second person")
        applying.add_argument(
            "--at-start", action="store_true", help="as SLUICE_CONFIG is applied: once per content"
        )
        comparing = actions.add_parser("diff", help="say what apply would do")
        comparing.add_argument("file", type=Path, help="the file; - reads standard input")
        comparing.add_argument("--prune", action="store_true", help="remove what it lacks")
        writing = actions.add_parser("export", help="write what the database has")
        writing.add_argument(
            "file", type=Path, nargs="?", help="where to; default: standard output"
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["action"]:
                case "apply":
                    self._apply(options)
                case "diff":
                    plan = rehearse(_read(options["file"]), prune=options["prune"])
                    self._tell(plan, "nothing to do")
                case "export":
                    self._export(options["file"])
        except (ConfigurationError, WideningRefused, SecondPersonNeeded) as error:
            raise CommandError(str(error)) from error
        except PermissionDenied as error:
            raise CommandError(f"{error} Name an admin with --by.") from error

    def _apply(self, options: dict[str, Any]) -> None:
        file = _read(options["file"])
        approver = options["approved_by"]
        authority = Authority(
            by=acting(options["by"]) if not options["at_start"] else System("config"),
            approved_by=person(approver) if approver else None,
        )
        if options["at_start"]:
            plan = apply_at_start(file, authority=authority)
            if plan is None:
                self.stdout.write(f"{file.name} was applied before and is unchanged")
                return
        else:
            plan = apply(
                file,
                authority=authority,
                yes_widen=options["yes_widen"],
                prune=options["prune"],
                accept_unproven=options["accept_unproven"],
            )
        self._tell(plan, "nothing changed")
        if plan.steps:
            self.stdout.write(f"applied {file.name}: {len(plan.steps)} changes")

    def _tell(self, plan: Plan, nothing: str) -> None:
        text = plan.as_text()
        if text:
            self.stdout.write(text)
        if not plan.steps:
            self.stdout.write(nothing)

    def _export(self, path: Path | None) -> None:
        text = export()
        digest = sha256(text.encode()).hexdigest()
        record_event(
            actor="system:console",
            type=EventType.CONFIG_EXPORTED,
            object_type="config",
            object_id="all",
            details={"file_digest": digest},
        )
        if path is None:
            self.stdout.write(text, ending="")
        else:
            path.write_text(text, encoding="utf-8")


def _read(path: Path) -> ConfigFile:
    if str(path) == "-":
        return ConfigFile(sys.stdin.read(), "<stdin>")
    return ConfigFile.read(path)
