"""`manage.py doctor`: looks at everything and says on one page what to do."""

import argparse
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from gateway.operations.doctor import controls, evidence, outside, surroundings
from gateway.operations.doctor.findings import Level, Look, looked_at

LOOKS: Final[tuple[tuple[str, Look], ...]] = (
    ("configuration", surroundings.configuration),
    ("versions", surroundings.versions),
    ("database", surroundings.database),
    ("store", surroundings.store),
    ("clock", surroundings.clock),
    ("secrets", surroundings.secrets),
    ("deployments", outside.deployments),
    ("policies", outside.policies),
    ("controls", controls.controls),
    ("journal", evidence.journal),
    ("audit", evidence.chains),
    ("heads", evidence.heads),
)
_MARKS: Final = {Level.WELL: "  ok  ", Level.ODD: " look ", Level.WRONG: "WRONG "}


class Command(BaseCommand):
    """Looks, and changes nothing."""

    help = "Look at everything: is it right, and if not, what is to be done?"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.requires_system_checks = []  # they are one of the looks

    @override
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Which looks."""
        names = [name for name, _ in LOOKS]
        parser.add_argument("look", nargs="*", choices=[*names, []], help="only these")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Print the page. Exit status 1 when something has to be done."""
        counts = dict.fromkeys(Level, 0)
        for name, look in LOOKS:
            if options["look"] and name not in options["look"]:
                continue
            for finding in looked_at(name, look):
                counts[finding.level] += 1
                self.stdout.write(f"{_MARKS[finding.level]} {name}: {finding.what}")
                if finding.todo:
                    self.stdout.write(f"       -> {finding.todo}")
        said = f"{counts[Level.WELL]} well, {counts[Level.ODD]} to look at"
        if counts[Level.WRONG]:
            raise CommandError(f"{counts[Level.WRONG]} wrong ({said})", returncode=1)
        self.stdout.write(f"nothing wrong ({said})")
