"""`manage.py policy`: the life of a policy from the shell.

Without `--project` it is the organisation's. Files are YAML or JSON. What is refused is said with
its place and changes nothing; the exit code is then 1.
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from gateway.accounts.console import acting, person
from gateway.accounts.console import project as named_project
from gateway.accounts.models import Project
from gateway.accounts.services.second_person import SecondPersonNeeded
from policies.engine.document import DocumentError
from policies.services.comparing import (
    Changes,
    RuleInShadow,
    compare,
    compare_organisation_rules,
)
from policies.services.configuration import ConfigurationError
from policies.services.configuration.yaml_reader import read_yaml
from policies.services.conflicts import Conflict
from policies.services.differences import difference
from policies.services.drafts import draft_of
from policies.services.judging import NotPublished, Verdict, judge
from policies.services.lint import lint
from policies.services.overview import named_document, overview, revisions_of
from policies.services.publishing import current_revision, publish, roll_back
from policies.services.reading import known_names, names_for_projects
from policies.services.shadows import end_shadow, start_shadow

REFUSALS = (
    Conflict,
    ConfigurationError,
    DocumentError,
    NotPublished,
    PermissionDenied,
    SecondPersonNeeded,
)


class Command(BaseCommand):
    """Shows, tests, proves, publishes and rolls back policies."""

    help = "Show, test, prove, publish and roll back a policy (docs/policies.md)."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        show = actions.add_parser("show", help="what is in effect, in sentences")
        show.add_argument("--json", action="store_true", help="the document instead")
        actions.add_parser("history", help="every revision, the newest first")
        compare = actions.add_parser("diff", help="what differs, in sentences")
        compare.add_argument("before", help="a revision's number, current or draft")
        compare.add_argument("after", nargs="?", default="current")
        compare.add_argument("--json", action="store_true", help="as data")
        for name, what in (
            ("test", "run its tests"),
            ("prove", "check its never statements exhaustively"),
            ("check", "both, and what it would change"),
        ):
            action = actions.add_parser(name, help=what)
            action.add_argument(
                "file",
                nargs="?",
                help="a file, - for standard input; without: the policy in effect",
            )
        linting = actions.add_parser("lint", help="what is odd about it")
        linting.add_argument("file", nargs="?", help="a file; without: the policy in effect")
        shadowing = actions.add_parser("shadow", help="decide a policy beside the one in effect")
        shadowing.add_argument("what", choices=["start", "end", "compare"])
        shadowing.add_argument("file", nargs="?", help="start: a file; without: the draft")
        shadowing.add_argument("--revision", type=int, help="start: an old revision")
        shadowing.add_argument(
            "--organisation",
            action="store_true",
            help="start: the organisation's draft or revision, in this project",
        )
        publishing = actions.add_parser("publish", help="put a file in effect")
        publishing.add_argument("file", help="the file; - reads standard input")
        publishing.add_argument("--base", type=int, help="the revision it was made from")
        back = actions.add_parser("rollback", help="publish an old revision again")
        back.add_argument("number", type=int)
        for action in (publishing, back, shadowing):
            action.add_argument("--by", metavar="EMAIL", help="who does it")
        for action in (publishing, back):
            action.add_argument("--reason", default="")
            action.add_argument("--approved-by", metavar="EMAIL", help="the second person")
            action.add_argument(
                "--accept-unproven",
                action="store_true",
                help="take statements too large to be proven; recorded",
            )
        for action in actions.choices.values():
            action.add_argument("--project", metavar="SLUG", help="without: the organisation")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        project = named_project(options["project"]) if options["project"] else None
        try:
            match options["action"]:
                case "show":
                    self._show(project, as_json=options["json"])
                case "history":
                    self._history(project)
                case "diff":
                    self._diff(project, options)
                case "publish" | "rollback":
                    self._publish(project, options)
                case "lint":
                    self._lint(project, options["file"])
                case "shadow":
                    self._shadow(project, options)
                case action:
                    self._judge(project, options["file"], action)
        except REFUSALS as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error

    def _show(self, project: Project | None, *, as_json: bool) -> None:
        found = overview(project)
        if found.revision is None:
            self.stdout.write("no revision yet")
            return
        if as_json:
            self.stdout.write(json.dumps(found.revision.document, indent=2, ensure_ascii=False))
            return
        revision = found.revision
        self.stdout.write(f"revision {revision.number}, {revision.hash[:12]}: {revision.reason}")
        if not found.readable:
            self.stdout.write("It names what is not there any more: every request is denied.")
        if found.floor:
            self.stdout.write(f"floor: {found.floor}")
        for rule in found.rules:
            by = f" [suspended: {', '.join(rule.suspended_by)}]" if rule.suspended_by else ""
            self.stdout.write(f"{rule.id}: {rule.sentence}{by}")
        for sentence in found.never:
            self.stdout.write(f"never: {sentence}")
        for row in found.exceptions:
            self.stdout.write(
                f"exception {row.name} ({row.project.slug}): suspends {', '.join(row.rules)} until "
                f"{row.ends_at:%Y-%m-%d %H:%M} UTC, owner {row.owner.email}: {row.reason}"
            )

    def _history(self, project: Project | None) -> None:
        current = current_revision(project)
        for revision in revisions_of(project):
            mark = "*" if current is not None and revision.pk == current.pk else " "
            agreed = f", agreed {revision.approved_by}" if revision.approved_by else ""
            self.stdout.write(
                f"{mark} {revision.number} {revision.hash[:12]} "
                f"{revision.published_at:%Y-%m-%d %H:%M} {revision.author}{agreed}: "
                f"{revision.reason}"
            )

    def _diff(self, project: Project | None, options: dict[str, Any]) -> None:
        documents = []
        for name in (options["before"], options["after"]):
            document = named_document(project, name)
            if document is None:
                raise CommandError(f"there is no {name} of this policy; see `policy history`")
            documents.append(document)
        found = difference(documents[0], documents[1], _known(project))
        if options["json"]:
            self.stdout.write(json.dumps(found.data, indent=2, ensure_ascii=False))
            return
        for line in (*found.sentences, *(f"WIDENS: {reason}" for reason in found.widens)):
            self.stdout.write(line)
        if found.empty:
            self.stdout.write("nothing differs")

    def _judge(self, project: Project | None, file: str | None, action: str) -> None:
        document = _document(file) if file else named_document(project, "current")
        if document is None:
            raise CommandError("this policy has no revision yet; name a file")
        verdict = judge(document, project=project)
        if action in {"test", "check"}:
            self._tell_tests(verdict)
        if action in {"prove", "check"}:
            for item in verdict.proofs:
                self.stdout.write(f"{item.project} {item.pointer}: {item.sentence}")
        if action == "check":
            current = named_document(project, "current")
            found = difference(current, document, _known(project))
            for line in (*found.sentences, *(f"WIDENS: {reason}" for reason in found.widens)):
                self.stdout.write(line)
            for sentence in verdict.consequences:
                self.stdout.write(f"a project's test would fail: {sentence}")
        wanted = {"test": "/tests", "prove": "/never", "check": "/"}[action]
        failing = [item for item in verdict.problems() if item.pointer.startswith(wanted)]
        if failing:
            raise CommandError("\n".join(item.as_text() for item in failing))

    def _tell_tests(self, verdict: Verdict) -> None:
        for test in verdict.tests:
            went = f"{test.deployment} ({test.zone})" if test.deployment else test.outcome
            self.stdout.write(
                f"{'ok  ' if test.passed else 'FAIL'} {test.pointer} model {test.alias}: {went}"
            )
        if not verdict.tests:
            self.stdout.write("no tests")

    def _lint(self, project: Project | None, file: str | None) -> None:
        findings = lint(project, _document(file) if file else None)
        for item in findings:
            self.stdout.write(f"{item.kind.value} {item.subject}: {item.sentence} {item.advice}")
        if not findings:
            self.stdout.write("nothing odd")

    def _shadow(self, project: Project | None, options: dict[str, Any]) -> None:
        if project is None:
            if options["what"] != "compare":
                raise CommandError("a policy is in shadow in one project: name it with --project")
            self._tell_rules(compare_organisation_rules())
            return
        match options["what"]:
            case "start":
                document, source = _for_shadow(project, options)
                start_shadow(
                    by=acting(options["by"]), project=project, document=document, source=source
                )
            case "end":
                end_shadow(by=acting(options["by"]), project=project)
            case _:
                found = compare(project)
                if found.policy is not None:
                    self._tell_changes(found.policy)
                if found.rules:
                    self._tell_rules(found.rules)

    def _tell_rules(self, rules: Sequence[RuleInShadow]) -> None:
        for each in rules:
            self.stdout.write(f"{each.rule} (shadow) matched {each.matched}")
            self._tell_changes(each.changes)
        if not rules:
            self.stdout.write("no rule in effect is marked as shadow")

    def _tell_changes(self, found: Changes) -> None:
        self.stdout.write(found.sentence)
        for move in found.moves:
            named = ", ".join(move.decisions)
            more = "" if move.count <= len(move.decisions) else ", …"
            self.stdout.write(f"{move.words}: {named}{more}")
            for route, count in move.deployments.items():
                self.stdout.write(f"    {count} {route}")
        if found.failed:
            self.stdout.write(f"{found.failed} could not be decided in shadow")
        if found.partial:
            self.stdout.write("older decisions were left out for their number")

    def _publish(self, project: Project | None, options: dict[str, Any]) -> None:
        agreed = {
            "by": acting(options["by"]),
            "project": project,
            "reason": options["reason"],
            "approved_by": person(options["approved_by"]) if options["approved_by"] else None,
            "accept_unproven": options["accept_unproven"],
        }
        if options["action"] == "rollback":
            revision = roll_back(number=options["number"], **agreed)
        else:
            document = _document(options["file"])
            revision = publish(document=document, base=options["base"], **agreed)
        self.stdout.write(f"revision {revision.number} ({revision.hash[:12]}) is in effect")


def _for_shadow(project: Project, options: dict[str, Any]) -> tuple[Mapping[str, Any], str]:
    """What is put in shadow, and where it came from. Raises ConfigurationError, CommandError."""
    number = options["revision"]
    if options["file"]:
        if number is not None or options["organisation"]:
            raise CommandError("name a file, or --revision and --organisation, not both")
        return _document(options["file"]), "document"
    owner = None if options["organisation"] else project
    document = named_document(owner, "draft" if number is None else str(number))
    if document is None:
        missing = "draft; name a file or --revision" if number is None else f"revision {number}"
        raise CommandError(f"this policy has no {missing}")
    draft = draft_of(owner)
    source = (
        f"revision {number}" if number is not None or draft is None else f"draft {draft.version}"
    )
    return document, f"organisation, {source}" if options["organisation"] else source


def _known(project: Project | None) -> Any:
    return known_names() if project is None else names_for_projects()


def _document(file: str) -> Mapping[str, Any]:
    """A file's document. Raises ConfigurationError, CommandError."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {type(error).__name__}") from error
    source = read_yaml(text, file=file)
    if source.problems:
        raise ConfigurationError(source.problems, file=file)
    if not isinstance(source.data, dict):
        raise CommandError(f"{file} is no policy: begin it with `kind:`")
    return source.data
