"""`manage.py privacy`: a person's data for them, and gone; what a project keeps."""

import argparse
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from gateway.accounts.console import CONSOLE, person, project
from gateway.accounts.masking_secrets import (
    MaskingSecretUnreadable,
    digest_key,
    open_masking_secret,
)
from gateway.audit.holds import lasting
from gateway.content.keys import Erased
from gateway.content.services import NothingKept, keep_content, read_content
from gateway.inference.digests import request_digest
from gateway.privacy.erasing import Report, UnderHold, erase, erase_again
from gateway.privacy.gathering import export


class Command(BaseCommand):
    """Gathers, erases, keeps."""

    help = "Export or erase what is held of a person; how long a project keeps prompts and answers."

    @override
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The sub-commands."""
        actions = parser.add_subparsers(dest="action", required=True)
        out = actions.add_parser("export", help="everything held of a person, as an archive")
        out.add_argument("email")
        out.add_argument("--output", type=Path, required=True, help="a file that is made for it")
        gone = actions.add_parser("erase", help="erase a person everywhere; cannot be undone")
        gone.add_argument("email", nargs="?")
        gone.add_argument("--yes", action="store_true", help="really")
        gone.add_argument(
            "--again", action="store_true", help="everybody who was erased before: after a restore"
        )
        keep = actions.add_parser("keep", help="for how many days a project keeps content")
        keep.add_argument("project", metavar="PROJECT")
        keep.add_argument("days", help="a number of days, or `nothing`")
        told = actions.add_parser("digest", help="the digest that records of this body have")
        told.add_argument("project", metavar="PROJECT")
        told.add_argument("body", type=Path, help="the body as it was sent, byte for byte")
        told.add_argument(
            "--show-key", action="store_true", help="also the key, to verify it elsewhere: a secret"
        )
        show = actions.add_parser("show", help="a kept prompt and its answer; reading is an event")
        show.add_argument("decision", metavar="DECISION")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Run one sub-command."""
        acts = {
            "export": self._export,
            "erase": self._erase,
            "keep": self._keep,
            "digest": self._digest,
        }
        acts.get(options["action"], self._show)(options)

    def _export(self, options: dict[str, Any]) -> None:
        path: Path = options["output"]
        try:
            counts = export(by=CONSOLE, user=person(options["email"]), path=path)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        for name, count in counts.items():
            self.stdout.write(f"{name}: {count}")

    def _erase(self, options: dict[str, Any]) -> None:
        if options["again"]:
            for report in erase_again(by=CONSOLE):
                self._print(report)
            return
        if not options["email"]:
            raise CommandError("whom? Give the e-mail address")
        user = person(options["email"])
        if not options["yes"]:
            raise CommandError("this cannot be undone: add --yes")
        try:
            self._print(erase(by=CONSOLE, user=user))
        except UnderHold as error:
            raise CommandError(str(error)) from None
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None

    def _print(self, report: Report) -> None:
        self.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode())
        if report.remaining:
            self.stderr.write(
                "The person is still named there, in texts that are never changed: see"
                " docs/privacy.md for what can be done."
            )

    def _keep(self, options: dict[str, Any]) -> None:
        days = options["days"]
        if days != "nothing" and not days.isdecimal():
            raise CommandError("say for how many days, or `nothing`")
        try:
            changed = keep_content(
                by=CONSOLE,
                project=project(options["project"]),
                days=None if days == "nothing" else int(days),
            )
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.stdout.write("changed" if changed else "it was so already")
        kept = lasting().reason(project=options["project"])
        if days == "nothing" and kept:
            self.stderr.write(f"What is there already stays. {kept}")

    def _digest(self, options: dict[str, Any]) -> None:
        try:
            body = options["body"].read_bytes()
            key = digest_key(open_masking_secret(project(options["project"]).masking_secret))
        except OSError as error:
            raise CommandError(f"{options['body']}: {error.strerror}") from None
        except MaskingSecretUnreadable as error:
            raise CommandError(f"the project's secret is {error}") from None
        self.stdout.write(request_digest(body, key))
        self.stdout.write(f"before version 0.2: {sha256(body).hexdigest()}")
        if options["show_key"]:
            self.stdout.write(f"key: {key.hex()}")

    def _show(self, options: dict[str, Any]) -> None:
        try:
            exchange = read_content(by=CONSOLE, decision_id=options["decision"])
        except (NothingKept, Erased) as error:
            raise CommandError(str(error)) from None
        for text in (exchange.request, exchange.answer):
            self.stdout.write(text.decode(errors="replace"))
