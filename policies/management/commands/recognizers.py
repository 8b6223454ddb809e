"""`manage.py recognizers scan|evaluate`: what recognizers find, from the shell.

The shipped ones; with `--project`, also those of that project and of the organisation.

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

from gateway.accounts.models import Project
from gateway.deployments.models import Deployment
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
from policies.services.views import compile_for, read_shared

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


def scan_stream(
    source: Iterable[str],
    out: TextIO,
    err: TextIO,
    *,
    analyser: Analyses | None = None,
    taxonomy: Taxonomy | None = None,
) -> int:
    """Answer every line of `source`; the exit code is 2 when one of them was bad."""
    code = 0
    for answer, error in scan_lines(source, analyser or Analyser(), taxonomy or Taxonomy()):
        if error:
            code = BAD_INPUT
            err.write(error + "\n")
        else:
            out.write(answer + "\n")
            out.flush()
    return code


def evaluate_file(path: Path, out: TextIO, err: TextIO, *, analyser: Analyses | None = None) -> int:
    """Evaluate a file of examples; the exit code is 2 when one of its lines was bad."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        examples, errors = read_examples(lines)
    for error in errors:
        err.write(f"{path.name}, {error}\n")
    if examples:
        out.write(report(evaluate(examples, analyser or Analyser(), time.perf_counter)) + "\n")
    elif not errors:
        err.write(f"{path.name}: no examples in it\n")
    return BAD_INPUT if errors or not examples else 0


def of_project(slug: str) -> tuple[Analyser, Taxonomy]:
    """A project's analyser and categories, from the database; empty: the shipped ones.

    Raises CommandError.
    """
    if not slug:
        return Analyser(), Taxonomy()
    project = Project.objects.filter(slug=slug, archived=False).first()
    if project is None:
        raise CommandError(f"there is no project {slug!r}", returncode=BAD_INPUT)
    try:
        shared = read_shared(list(Deployment.objects.all()))
        own = shared.own_classes(project)
        policy = compile_for(project, shared, shared.documents.get(project.pk))
        return Analyser(own.word_lists, custom=own.custom), policy.taxonomy
    except ValueError as error:
        raise CommandError(
            f"the policy or a recognizer of {slug} cannot be read ({type(error).__name__}): "
            "publish or save a valid one",
            returncode=BAD_INPUT,
        ) from None


class Command(BaseCommand):
    """The command."""

    help = "Find sensitive data in texts, or measure how well it is found."
    # Without --project pure functions over text: no database, no other configuration.
    requires_system_checks = ()
    requires_migrations_checks = False

    @override
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare `scan` and `evaluate FILE`."""
        commands = parser.add_subparsers(dest="action", required=True)
        scanned = commands.add_parser(
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

        for command in (scanned, measured):
            command.add_argument(
                "--project",
                default="",
                metavar="SLUG",
                help="also with its own word lists and recognizers, and the organisation's",
            )

    @override
    def handle(self, *_args: object, **options: object) -> None:
        """Run one of the two; exits with 2 after bad input."""
        analyser, taxonomy = of_project(str(options["project"]))
        if options["action"] == "scan":
            # Bytes that are no UTF-8 must not stop the lines after them.
            if hasattr(sys.stdin, "reconfigure"):
                sys.stdin.reconfigure(encoding="utf-8", errors="replace")
            code = scan_stream(
                sys.stdin, sys.stdout, sys.stderr, analyser=analyser, taxonomy=taxonomy
            )
        else:
            path = options["file"]
            assert isinstance(path, Path)  # noqa: S101 argparse made it one
            try:
                code = evaluate_file(path, sys.stdout, sys.stderr, analyser=analyser)
            except OSError as error:
                raise CommandError(f"{path}: {error.strerror}", returncode=BAD_INPUT) from None
        if code:
            sys.exit(code)
