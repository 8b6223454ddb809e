"""`manage.py batch`: spreadsheets on the command line."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError
from django.http import Http404
from typing_extensions import override

from gateway.accounts.console import person, project
from gateway.accounts.models import Membership, Project, User
from gateway.accounts.roles import MAY_USE
from gateway.batches.sheets import runs, services
from gateway.batches.sheets.budgets import budgets_left
from gateway.batches.sheets.console import estimate_here, save, wait
from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.saying import budget_lines, estimate_lines, sheet_lines
from gateway.batches.sheets.setup import Kind
from gateway.batches.sheets.shape import shape
from gateway.batches.sheets.source import of_path
from gateway.batches.sheets.writing import Format
from gateway.protocol.errors import GatewayError


class Command(BaseCommand):
    """Runs tables, and looks after those that run."""

    help = "Turn each row of a table into a prompt and bring the answers back beside the rows."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        run = actions.add_parser("run", help="read a table, estimate, ask, run, save the answers")
        _run_arguments(run)
        listing = actions.add_parser("list", help="the project's newest batches of rows")
        listing.add_argument("--project")
        for name, what in (
            ("show", "state, counts, what failed why"),
            ("estimate", "decide about all rows that are left, without sending"),
            ("pause", "take no more rows; those under way are finished"),
            ("resume", "go on with the rows that are left"),
            ("cancel", "end it; finished rows stay"),
            ("retry", "send rows again that failed"),
            ("download", "the table with its answers"),
        ):
            action = actions.add_parser(name, help=what)
            action.add_argument("id")
            action.add_argument("--by", metavar="EMAIL", help="as whom; else whoever made it")
            if name in {"resume", "retry"}:
                action.add_argument("--no-wait", action="store_true", help="return at once")
            if name == "retry":
                action.add_argument("--code", action="append", default=[], help="only these")
                action.add_argument("--model", default="", help="another alias")
            if name == "download":
                action.add_argument("--out", type=Path, required=True)
                action.add_argument("--force", action="store_true", help="overwrite it")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except GatewayError as error:
            raise CommandError(error.message) from error
        except (PermissionDenied, Http404, OSError) as error:
            raise CommandError(str(error)) from error

    def _run(self, options: dict[str, Any]) -> None:
        path: Path = options["file"]
        where = _project(options["project"])
        by = person(options["by"]) if options["by"] else _only_member(where)
        out: Path = options["out"] or path.with_name(f"{path.stem}.answers.csv")
        _format(out)
        _require_free(out, force=options["force"])
        setup = _setup(options)
        sheet = services.create_sheet(
            by, where, of_path(path), declared=options["declare"], sheet=options["sheet"]
        )
        try:
            services.configure(by, sheet, setup)
        except BaseException:
            services.delete_sheet(by, sheet)
            raise
        self.stdout.write(f"{sheet.pk}  {path.name}")
        sheet = self._estimated(by, sheet)
        if options["dry_run"]:
            return
        if not options["yes"] and not self._agrees(sheet):
            self.stdout.write(f"Nothing was sent. Go on with: manage.py batch resume {sheet.pk}")
            return
        sheet = self._waited(runs.run(by, sheet, notify=options["notify"]))
        save(f"user:{by.pk}", sheet, _format(out), out)
        self.stdout.write(f"The answers are in {out}")
        self._end(sheet)

    def _estimated(self, by: User, sheet: Sheet) -> Sheet:
        sheet = estimate_here(services.begin_estimate(by, sheet), sys.stderr)
        if sheet.estimate is None:
            raise CommandError(f"The estimate was not made: {sheet.reason or sheet.status}.")
        self._say_estimate(by, sheet)
        return sheet

    def _say_estimate(self, by: User, sheet: Sheet) -> None:
        for line in estimate_lines(sheet.estimate or {}):
            self.stdout.write(line)
        for line in budget_lines(budgets_left(by, sheet)):
            self.stdout.write(line)

    def _agrees(self, sheet: Sheet) -> bool:
        number = sheet.estimate["to_send"] if sheet.estimate else sheet.to_ask
        if not sys.stdin.isatty():
            raise CommandError(f"Say --yes to send {number} rows, or --dry-run not to.")
        return input(f"Send {number} rows? [y/N] ").strip().lower() in {"y", "yes"}

    def _waited(self, sheet: Sheet) -> Sheet:
        try:
            return wait(sheet, sys.stderr)
        except KeyboardInterrupt:
            raise CommandError(
                f"It goes on without you. manage.py batch pause {sheet.pk} holds it.",
                returncode=130,
            ) from None

    def _end(self, sheet: Sheet) -> None:
        for line in sheet_lines(shape(sheet)):
            self.stdout.write(line)
        if sheet.status == "failed":
            raise CommandError("Every row failed.")

    def _list(self, options: dict[str, Any]) -> None:
        for sheet in services.list_sheets(_project(options["project"]), limit=50).sheets:
            for line in sheet_lines(shape(sheet)):
                self.stdout.write(line)

    def _show(self, options: dict[str, Any]) -> None:
        by, sheet = _sheet(options)
        for line in sheet_lines(shape(sheet)):
            self.stdout.write(line)
        if sheet.estimate:
            self._say_estimate(by, sheet)

    def _estimate(self, options: dict[str, Any]) -> None:
        self._estimated(*_sheet(options))

    def _pause(self, options: dict[str, Any]) -> None:
        self._end(self._waited(runs.pause(*_sheet(options))))

    def _cancel(self, options: dict[str, Any]) -> None:
        self._end(self._waited(runs.cancel(*_sheet(options))))

    def _resume(self, options: dict[str, Any]) -> None:
        self._go_on(runs.run(*_sheet(options)), options)

    def _retry(self, options: dict[str, Any]) -> None:
        by, sheet = _sheet(options)
        begun = runs.retry(by, sheet, codes=options["code"], model=options["model"])
        self._go_on(begun, options)

    def _go_on(self, sheet: Sheet, options: dict[str, Any]) -> None:
        self._end(sheet if options["no_wait"] else self._waited(sheet))

    def _download(self, options: dict[str, Any]) -> None:
        by, sheet = _sheet(options)
        out: Path = options["out"]
        _require_free(out, force=options["force"])
        save(f"user:{by.pk}", sheet, _format(out), out)
        self.stdout.write(f"The answers are in {out}")


def _run_arguments(run: ArgumentParser) -> None:
    run.add_argument("file", type=Path, help=".csv, .tsv, .xlsx or .jsonl")
    run.add_argument("--template", required=True, help="the prompt with {{column}}, or @FILE")
    run.add_argument("--project", help="its slug; not needed where there is one only")
    run.add_argument("--by", metavar="EMAIL", help="the member in whose name the rows are sent")
    run.add_argument("--model", default="auto", help="a model alias of the project")
    run.add_argument("--out", type=Path, help="where the answers go: .csv, .xlsx or .jsonl")
    run.add_argument("--force", action="store_true", help="overwrite it")
    run.add_argument("--kind", choices=[kind.value for kind in Kind], default=Kind.CHAT.value)
    run.add_argument("--system", default="", help="a system prompt, or @FILE")
    run.add_argument("--label", action="append", default=[], help="what a classification may say")
    run.add_argument("--schema", metavar="FILE", type=Path, help="JSON Schema of the answers")
    run.add_argument(
        "--example",
        action="append",
        type=int,
        default=[],
        metavar="ROW",
        help="a row to learn from",
    )
    run.add_argument("--example-answer", metavar="COLUMN", help="where the examples' answers stand")
    run.add_argument("--temperature", type=float)
    run.add_argument("--max-tokens", type=int, help="of one answer")
    run.add_argument("--declare", default="", help="as in x-sluice-declare, for every row")
    run.add_argument("--sheet", default="", help="of a workbook; else the first")
    run.add_argument("--notify", action="store_true", help="send a mail when it is done")
    run.add_argument("--yes", action="store_true", help="do not ask before sending")
    run.add_argument("--dry-run", action="store_true", help="estimate and stop")


def _setup(options: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {
        "model": options["model"],
        "kind": options["kind"],
        "template": _text(options["template"]),
        "system": _text(options["system"]),
        "labels": options["label"],
        "temperature": options["temperature"],
        "max_tokens": options["max_tokens"],
    }
    if options["schema"] is not None:
        try:
            given["schema"] = json.loads(options["schema"].read_text())
        except ValueError as error:
            raise CommandError(f"{options['schema']} is not JSON: {error}") from error
    if bool(options["example"]) != bool(options["example_answer"]):
        raise CommandError("--example ROW and --example-answer COLUMN go together")
    if options["example"]:
        given["examples"] = {"rows": options["example"], "answer": options["example_answer"]}
    return given


def _text(argument: str) -> str:
    """The text itself, or that of a file named behind an @."""
    return Path(argument[1:]).read_text() if argument.startswith("@") else argument


def _project(slug: str | None) -> Project:
    if slug:
        return project(slug)
    found = list(Project.objects.filter(archived=False)[:2])
    if len(found) != 1:
        raise CommandError("there are several projects: say --project SLUG")
    return found[0]


def _only_member(where: Project) -> User:
    members = Membership.objects.filter(project=where, role__in=MAY_USE, user__is_active=True)
    found = list(members.select_related("user")[:2])
    if len(found) != 1:
        raise CommandError("say in whose name the rows are sent: --by EMAIL, a member")
    return found[0].user


def _sheet(options: dict[str, Any]) -> tuple[User, Sheet]:
    sheet = Sheet.objects.filter(pk=options["id"]).select_related("project", "batch").first()
    if sheet is None:
        raise CommandError(f"there is no batch {options['id']}; `batch list` shows a project's")
    if options["by"]:
        return person(options["by"]), sheet
    maker = User.objects.filter(pk=sheet.actor.partition(":")[2]).first()
    if maker is None:
        raise CommandError("whoever made it is gone: say --by EMAIL")
    return maker, sheet


def _format(out: Path) -> Format:
    word = out.suffix.removeprefix(".").lower()
    if word not in {each.value for each in Format}:
        raise CommandError(f"--out ends in one of {', '.join(f'.{each}' for each in Format)}")
    return Format(word)


def _require_free(out: Path, *, force: bool) -> None:
    if out.exists() and not force:
        raise CommandError(f"{out} is there already: name another --out, or say --force")
