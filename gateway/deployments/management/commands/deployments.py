"""`manage.py deployments discover|list|confirm|credential`: what was found, what may go there."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from gateway import environment
from gateway.accounts.console import acting, person
from gateway.deployments.models import Deployment
from gateway.deployments.probing import probe
from gateway.deployments.services import (
    SecondPersonNeeded,
    change_deployment,
    confirm_proposal,
    propose,
)
from gateway.deployments.services.registry import clearance_words
from gateway.deployments.spec import default_clearance, spec_of
from policies.engine.facts import Clearance, Zone
from policies.engine.labels import Sensitivity


class Command(BaseCommand):
    """Finds model servers, lists deployments, confirms proposals."""

    help = "Find model servers on this machine, list deployments, confirm proposals."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        discover = actions.add_parser("discover", help="propose what answers on the usual ports")
        actions.add_parser("list", help="every deployment, its zone and its clearance")
        confirm = actions.add_parser("confirm", help="say what may go to a proposal, switch it on")
        confirm.add_argument("name")
        confirm.add_argument("--zone", required=True, choices=[zone.value for zone in Zone])
        confirm.add_argument("--sensitivity", help="the highest it may receive")
        confirm.add_argument("--category", action="append", help="may be given again; or: all")
        confirm.add_argument("--approved-by", metavar="EMAIL", help="the second person")
        renew = actions.add_parser("credential", help="replace a vendor's credential")
        renew.add_argument("name")
        renew.add_argument(
            "--from-env", metavar="NAME", help="the variable that has it; else standard input"
        )
        for action in (discover, confirm, renew):
            action.add_argument("--by", metavar="EMAIL", help="the admin who asks for it")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["action"]:
                case "discover":
                    self._discover(options)
                case "list":
                    for row in Deployment.objects.all():
                        self.stdout.write(_line(row))
                case "confirm":
                    self._confirm(options)
                case "credential":
                    self._renew(options)
        except (ValidationError, SecondPersonNeeded, PermissionDenied, ValueError) as error:
            raise CommandError(" ".join(getattr(error, "messages", [str(error)]))) from error

    def _discover(self, options: dict[str, Any]) -> None:
        made = propose(by=acting(options["by"]), found=probe(), vendor_keys=settings.VENDOR_KEYS)
        for row in made:
            self.stdout.write(f"proposed {row.name}: {row.upstream_model} at {row.base_url}")
        if not made:
            self.stdout.write("nothing new was found")
            return
        self.stdout.write(
            f"{len(made)} new, disabled; confirm with: "
            "manage.py deployments confirm NAME --zone ZONE"
        )

    def _renew(self, options: dict[str, Any]) -> None:
        row = _named(options["name"])
        name = options["from_env"]
        credential = (environment.credential(name) or "") if name else _typed()
        if not credential:
            where = f"the variable {name}" if name else "standard input"
            raise CommandError(f"there is no credential in {where}")
        change_deployment(
            by=acting(options["by"]),
            deployment=row,
            spec=spec_of(row),
            credential=credential,
            credential_source=f"env:{name}" if name else "",
        )
        self.stdout.write(f"{row.name} has its new credential; requests use it within a second")

    def _confirm(self, options: dict[str, Any]) -> None:
        row = _named(options["name"])
        approver = options["approved_by"]
        confirm_proposal(
            by=acting(options["by"]),
            deployment=row,
            zone=Zone(options["zone"]),
            clearance=_clearance(options),
            approved_by=person(approver) if approver else None,
        )
        self.stdout.write(_line(row))


def _named(name: str) -> Deployment:
    row = Deployment.objects.filter(name=name).first()
    if row is None:
        raise CommandError(f"there is no deployment {name}")
    return row


def _typed() -> str:
    """From standard input, unseen when somebody types it: never from the command line, which
    others can read."""
    if sys.stdin.isatty():
        return getpass.getpass("credential: ").strip()
    return sys.stdin.read().strip()


def _clearance(options: dict[str, Any]) -> Clearance | None:
    default = default_clearance(Zone(options["zone"]))
    if not options["sensitivity"] and not options["category"]:
        return None
    categories = default.categories
    if options["category"]:
        named = options["category"]
        categories = None if named == ["all"] else frozenset(named)
    word = options["sensitivity"]
    return Clearance(Sensitivity.from_word(word) if word else default.sensitivity, categories)


def _line(row: Deployment) -> str:
    state = "proposed" if row.proposed else "on" if row.enabled else "off"
    categories = ", ".join(clearance_words(row.clearance())) or "no category"
    return f"{row.name} [{state}] {row.zone}: {row.clearance_sensitivity}, {categories}"
