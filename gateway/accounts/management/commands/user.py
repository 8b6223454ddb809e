"""`manage.py user`: people's accounts, passwords, roles, and second factors that were lost."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from gateway.accounts.console import acting, person
from gateway.accounts.models import User
from gateway.accounts.roles import OrganisationRole
from gateway.accounts.services import (
    change_user_role,
    create_user,
    deactivate_user,
    reactivate_user,
    remove_second_factor,
    set_password,
)


class Command(BaseCommand):
    """Manages people."""

    help = "Add people, set their passwords and roles, switch their accounts off and on."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "action",
            choices=[
                *("add", "password", "role", "deactivate", "reactivate", "forget-factor", "list")
            ],
        )
        parser.add_argument("email", nargs="?", default="")
        parser.add_argument("--name", default="")
        parser.add_argument(
            "--role", choices=OrganisationRole.values, default=OrganisationRole.NONE.value
        )
        parser.add_argument("--by", metavar="EMAIL", help="the admin who asks for it")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        action, email = options["action"], options["email"]
        if action == "list":
            for user in User.objects.all():
                state = "" if user.is_active else " (deactivated)"
                self.stdout.write(f"{user.email} {user.organisation_role}{state}")
            return
        if not email:
            raise CommandError("say whose account: an e-mail address")
        try:
            self._act(action, email, options)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except PermissionDenied as error:
            raise CommandError(str(error)) from error
        self.stdout.write("done")

    def _act(self, action: str, email: str, options: dict[str, Any]) -> None:
        by, role = acting(options["by"]), OrganisationRole(options["role"])
        match action:
            case "add":
                create_user(by=by, email=email, name=options["name"], role=role)
            case "password":
                set_password(by=by, user=person(email), password=_password())
            case "role":
                change_user_role(by=by, user=person(email), role=role)
            case "deactivate":
                deactivate_user(by=by, user=person(email))
            case "reactivate":
                reactivate_user(by=by, user=person(email))
            case "forget-factor":
                remove_second_factor(by=by, user=person(email))


def _password() -> str:
    """Asked for twice on a terminal, one line of standard input otherwise."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("New password: ")
    if getpass.getpass("Again: ") != password:
        raise CommandError("these were two passwords")
    return password
