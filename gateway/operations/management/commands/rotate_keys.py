"""`manage.py rotate_keys`: another key-encryption key, without stopping anything."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from gateway.key_encryption import NoKeys
from gateway.operations.sealing_anew import (
    CannotRotate,
    add_key,
    forget_old_keys,
    seal_everything_anew,
)


class Command(BaseCommand):
    """Replaces the key that seals credentials and other stored secrets."""

    help = "Seal every stored secret under a new key; the old one stays accepted until forgotten."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--forget-old", action="store_true", help="accept the newest key alone from now on"
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["forget_old"]:
                self._forget()
            else:
                self._rotate()
        except (CannotRotate, NoKeys) as error:
            raise CommandError(str(error)) from error

    def _rotate(self) -> None:
        if not add_key():
            self.stdout.write("there is more than one key already: sealing under the first")
        found = seal_everything_anew()
        self.stdout.write(f"{found.anew} secrets sealed anew")
        for place, count in sorted(found.unreadable.items()):
            self.stderr.write(f"{count} in {place} open with none of the keys and were left alone")
        self.stdout.write(
            "old keys are still accepted; in a minute or later: manage.py rotate_keys --forget-old"
        )

    def _forget(self) -> None:
        gone = forget_old_keys()
        self.stdout.write(f"{gone} old keys forgotten" if gone else "there is one key only")
