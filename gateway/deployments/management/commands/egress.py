"""`manage.py egress stop|resume|status`: the switch over everything that leaves on_prem."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from gateway.accounts.console import acting
from gateway.accounts.models import Organisation
from gateway.deployments.services import resume_egress, stop_egress


class Command(BaseCommand):
    """Stops what leaves on_prem, resumes it, or says which."""

    help = "Stop or resume everything that leaves on_prem, at once."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["stop", "resume", "status"])
        parser.add_argument("--reason", default="", help="recorded with the event")
        parser.add_argument("--by", metavar="EMAIL", help="the admin who asks for it")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["action"] == "stop":
                stop_egress(by=acting(options["by"]), reason=options["reason"])
            elif options["action"] == "resume":
                resume_egress(by=acting(options["by"]), reason=options["reason"])
        except PermissionDenied as error:
            raise CommandError(str(error)) from error
        stopped = Organisation.load().egress_stopped
        self.stdout.write("egress is stopped" if stopped else "egress is open")
