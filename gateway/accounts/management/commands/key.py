"""`manage.py key create|rotate|revoke|list`: API keys."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from typing_extensions import override

from gateway.accounts.acting import Acting
from gateway.accounts.console import acting, person, project
from gateway.accounts.models import APIKey, Project, ServiceAccount, User
from gateway.accounts.services import (
    create_api_key,
    create_service_account,
    revoke_api_key,
    rotate_api_key,
)
from gateway.accounts.services.keys import KEY_START
from gateway.protocol.restores import Restores
from policies.engine.labels import Label, Sensitivity


class Command(BaseCommand):
    """Manages API keys."""

    help = "Make API keys (shown once), replace, revoke and list them."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a key and print it, once")
        create.add_argument("name")
        create.add_argument("--project", required=True)
        create.add_argument("--user", metavar="EMAIL", help="the person it belongs to")
        create.add_argument(
            "--service", metavar="NAME", help="or the service account, made if there is none"
        )
        create.add_argument(
            "--scope", action="append", default=[], help="one endpoint; without: all of /v1"
        )
        create.add_argument("--floor", default="public", help="the key's own least sensitivity")
        create.add_argument("--requests-per-minute", type=int)
        create.add_argument(
            "--restores",
            choices=[member.value for member in Restores],
            default=Restores.EVERYTHING.value,
            help="where in answers masked values come back",
        )
        create.add_argument("--expires", metavar="TIME", help="2027-01-31T12:00:00Z")
        revoke = actions.add_parser("revoke", help="end a key at once")
        revoke.add_argument("prefix", help="sk-sluice-abcd1234, or the whole key")
        revoke.add_argument("--reason", default="")
        rotate = actions.add_parser("rotate", help="make its successor and print that, once")
        rotate.add_argument("prefix", help="sk-sluice-abcd1234, or the whole key")
        rotate.add_argument(
            "--overlap", default="24h", metavar="TIME", help="how long both work: 30m, 24h, 7d"
        )
        listing = actions.add_parser("list", help="the keys of a project")
        listing.add_argument("--project", required=True)
        for action in (create, revoke, rotate):
            action.add_argument("--by", metavar="EMAIL", help="who asks for it")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["action"]:
                case "create":
                    self._create(options)
                case "revoke":
                    self._revoke(options)
                case "rotate":
                    self._rotate(options)
                case "list":
                    self._list(project(options["project"]))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except (PermissionDenied, ValueError) as error:
            raise CommandError(str(error)) from error

    def _create(self, options: dict[str, Any]) -> None:
        by, where = acting(options["by"]), project(options["project"])
        expires = parse_datetime(options["expires"]) if options["expires"] else None
        if options["expires"] and expires is None:
            raise CommandError("--expires is not a time such as 2027-01-31T12:00:00Z")
        made = create_api_key(
            by=by,
            project=where,
            name=options["name"],
            owner=_owner(by, where, options),
            scopes=options["scope"],
            floor=Label(Sensitivity.from_word(options["floor"])),
            requests_per_minute=options["requests_per_minute"],
            expires_at=expires,
            restores=Restores(options["restores"]),
        )
        self.stdout.write(made.text)

    def _revoke(self, options: dict[str, Any]) -> None:
        key = _named(options["prefix"])
        revoke_api_key(by=acting(options["by"]), key=key, reason=options["reason"])
        self.stdout.write("revoked")

    def _rotate(self, options: dict[str, Any]) -> None:
        key = _named(options["prefix"])
        made = rotate_api_key(
            by=acting(options["by"]), key=key, overlap=_duration(options["overlap"])
        )
        self.stdout.write(made.text)
        assert key.expires_at is not None  # noqa: S101 -- it was just set
        self.stderr.write(f"{key.prefix} works until {key.expires_at:%Y-%m-%d %H:%M} UTC")

    def _list(self, where: Project) -> None:
        now = timezone.now()
        for key in where.keys.select_related("user", "service_account"):
            expired = key.expires_at is not None and key.expires_at <= now
            state = "revoked" if key.revoked_at else "expired" if expired else "valid"
            self.stdout.write(f"{key.prefix} {key.name} {key.user or key.service_account} {state}")


def _named(text: str) -> APIKey:
    # Whoever revokes a leaked key often has all of it, or the letters that tell it apart.
    letters = text.strip().removeprefix(KEY_START).split("-")[0]
    found = APIKey.objects.filter(prefix=f"{KEY_START}{letters}").select_related("project").first()
    if found is None:
        raise CommandError("there is no key with this prefix; `key list` shows a project's")
    return found


def _duration(text: str) -> timedelta:
    units = {"m": "minutes", "h": "hours", "d": "days"}
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit() and len(number) < 6 and unit in units):
        raise CommandError("--overlap is not a time such as 30m, 24h or 7d")
    return timedelta(**{units[unit]: int(number)})


def _owner(by: Acting, where: Project, options: dict[str, Any]) -> User | ServiceAccount:
    if bool(options["user"]) == bool(options["service"]):
        raise CommandError("say whose key it is: --user EMAIL or --service NAME")
    if options["user"]:
        return person(options["user"])
    found = where.service_accounts.filter(name=options["service"]).first()
    return found or create_service_account(by=by, project=where, name=options["service"])
