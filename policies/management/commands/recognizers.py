"""`manage.py recognizers scan|evaluate`: what the shipped recognizers find, from the shell.

`scan` answers each line of standard input as soon as it has read it. Errors name the line and
what is wrong with it, never its content.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from policies.classification.analyser import Analyser
from policies.classification.evaluate import (
    Analyses,
    BadLine,
    evaluate,
    parse_object,
    read_examples,
    report,
    text_of,
)
from policies.classification.findings import Analysis
from policies.engine.labels import Label, Taxonomy

BAD_INPUT = 2


def label_of(analysis: Analysis, taxonomy: Taxonomy) -> Label:
    """The label that detection alone gives; opaque content is worst."""
    if analysis.opaque:
        return taxonomy.worst
    found = frozenset(finding.category for finding in analysis.findings)
    return taxonomy.join([Label(categories=found)])


def describe(identity: object, analysis: Analysis, taxonomy: Taxonomy) -> dict[str, object]:
    """One line of the answer: findings with class and place, never with text."""
    label = label_of(analysis, taxonomy)
    return {
        "id": identity,
        "findings": [
            {
                "class": finding.data_class,
                "category": finding.category,
                "start": finding.start,
                "end": finding.end,
                "score": finding.score,
                "recognizer": finding.recognizer,
            }
            for finding in analysis.findings
        ],
        "sensitivity": label.sensitivity.word,
        "categories": sorted(label.categories),
        "opaque": sorted(analysis.opaque),
    }


def scan_lines(
    lines: Iterable[str], analyser: Analyses, taxonomy: Taxonomy
) -> Iterator[tuple[str, str]]:
    """(answer, error) for each line that is not blank: one of the two is empty."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = parse_object(line)
            text = text_of(entry)
        except BadLine as error:
            yield "", f"line {number}: {error}"
        else:
            answer = describe(entry.get("id"), analyser.analyse([text]), taxonomy)
            yield json.dumps(answer), ""


def scan_stream(source: Iterable[str], out: TextIO, err: TextIO) -> int:
    """Answer every line of `source`; the exit code is 2 when one of them was bad."""
    code = 0
    for answer, error in scan_lines(source, Analyser(), Taxonomy()):
        if error:
            code = BAD_INPUT
            err.write(error + "\n")
        else:
            out.write(answer + "\n")
            out.flush()
    return code


def evaluate_file(path: Path, out: TextIO, err: TextIO) -> int:
    """Evaluate a file of examples; the exit code is 2 when one of its lines was bad."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        examples, errors = read_examples(lines)
    for error in errors:
        err.write(f"{path.name}, {error}\n")
    if examples:
        out.write(report(evaluate(examples, Analyser(), time.perf_counter)) + "\n")
    elif not errors:
        err.write(f"{path.name}: no examples in it\n")
    return BAD_INPUT if errors or not examples else 0


class Command(BaseCommand):
    """The command."""

    help = "Find sensitive data in texts, or measure how well it is found."
    # Pure functions over text: no database, no other configuration.
    requires_system_checks = ()
    requires_migrations_checks = False

    @override
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare `scan` and `evaluate FILE`."""
        commands = parser.add_subparsers(dest="action", required=True)
        commands.add_parser(
            "scan",
            help='read JSON Lines {"id", "text"} on standard input, write findings and label',
        )
        measured = commands.add_parser(
            "evaluate",
            help="print routing leak, over-routing, precision, recall and MB/s for a marked set",
        )
        measured.add_argument(
            "file",
            type=Path,
            metavar="FILE.jsonl",
            help='a line each: {"text", "findings": [{"class", "start", "end"}]}',
        )

    @override
    def handle(self, *_args: object, **options: object) -> None:
        """Run one of the two; exits with 2 after bad input."""
        if options["action"] == "scan":
            # Bytes that are no UTF-8 must not stop the lines after them.
            if hasattr(sys.stdin, "reconfigure"):
                sys.stdin.reconfigure(encoding="utf-8", errors="replace")
            code = scan_stream(sys.stdin, sys.stdout, sys.stderr)
        else:
            path = options["file"]
            assert isinstance(path, Path)  # noqa: S101 argparse made it one
            try:
                code = evaluate_file(path, sys.stdout, sys.stderr)
            except OSError as error:
                raise CommandError(f"{path}: {error.strerror}", returncode=BAD_INPUT) from None
        if code:
            sys.exit(code)
