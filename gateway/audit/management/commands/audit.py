"""`manage.py audit`: load, verify, export, seal, and the questions of `gateway.audit.console`."""

import argparse
import gc
import signal
import sys
import threading
from collections.abc import Iterable
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from typing_extensions import override

from gateway.audit import console, loader
from gateway.audit.anchors import anchor_heads
from gateway.audit.event_types import EventType
from gateway.audit.evidence import export_evidence
from gateway.audit.export import ExportFormat, ExportKind, Selection, export
from gateway.audit.retention import prune
from gateway.audit.sealing import seal
from gateway.audit.services import record_event
from gateway.audit.signing import KeyUnreadable, public_pem, signing_key
from gateway.audit.streaming.sending import stream
from gateway.audit.verify import verify

EVIDENCE: Final = "evidence"


def _spare_the_collector() -> None:
    """What was loaded at start lives as long as the process, and a pass makes records by the
    thousand and no cycles: collecting after every 700 of them costs 8 µs a request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _selection(options: dict[str, Any]) -> Selection:
    what, which = console.object_in(options)
    selection = Selection(
        kind=ExportKind(options["kind"]),
        since=options["since"],
        until=options["until"],
        project=options["project"],
        actor=console.actor_in(options),
        types=console.types_in(options),
        object_type=what,
        object_id=which,
    )
    if selection.kind is ExportKind.REQUESTS and selection.named():
        raise CommandError("--person, --actor, --type and --object are of --kind events")
    return selection


class Command(BaseCommand):
    """Loads the journals, seals and verifies the chains, exports and searches the records."""

    help = "Audit log: load the journals, seal and verify the chains, export, search, prune."

    @override
    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The sub-commands."""
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("load", help="bring the journals into the database, for ever")
        load.add_argument("--once", action="store_true", help="stop when all is loaded")
        check = actions.add_parser("verify", help="walk all chains; exit status 1 when one breaks")
        check.add_argument("--anchor", help="a file with heads that were kept elsewhere")
        check.add_argument("--strict", action="store_true", help="what is odd breaks, too")
        actions.add_parser("seal", help="sign a head now and bring it to the anchors")
        actions.add_parser("key", help="print the public key that heads are verified with")
        actions.add_parser("status", help="how sealing, anchors and streams do; 1 when one fails")
        actions.add_parser("prune", help="remove what the retention rules let go, now")
        actions.add_parser("stream", help="send to the streams what they lack, now")
        console.add_questions(actions)
        out = actions.add_parser("export", help="write records to standard output")
        out.add_argument("--kind", choices=[*ExportKind, EVIDENCE], default=ExportKind.REQUESTS)
        out.add_argument("--since", type=console.moment, help="from then on (UTC unless it says)")
        out.add_argument("--until", type=console.moment, help="before this time")
        out.add_argument("--project", default="", help="of this project alone")
        out.add_argument("--person", metavar="EMAIL", help="of changes: by them")
        out.add_argument("--actor", default="", help="the same by id: user:<uuid>")
        console.add_event_conditions(out)
        out.add_argument("--format", choices=list(ExportFormat), default=ExportFormat.JSONL)

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Run one sub-command."""
        try:
            self._act(options)
        except KeyUnreadable as error:
            raise CommandError(f"the audit's key: {error}") from None

    def _act(self, options: dict[str, Any]) -> None:
        questions = {
            "search": console.look_through,
            "left": console.what_left_for,
            "retention": console.retention,
            "hold": console.hold,
        }
        acts = {
            "load": self._load_as_asked,
            "verify": self._verify,
            "export": self._export,
            "seal": self._seal,
            "key": self._key,
            "status": self._status,
            "prune": self._prune,
            "stream": self._stream,
        }
        action = options["action"]
        if action in questions:
            questions[action](options, self.stdout.write)
        else:
            acts[action](options)

    def _load_as_asked(self, options: dict[str, Any]) -> None:
        settings.JOURNAL_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._load_once() if options["once"] else self._load()

    def _seal(self, options: dict[str, Any]) -> None:
        head = seal(even_idle=True)
        self.stdout.write(f"signed head {head.number}" if head else "another process signed one")
        if not anchor_heads():
            raise CommandError("an anchor failed; see `audit status`", returncode=1)

    def _key(self, options: dict[str, Any]) -> None:
        self.stdout.write(public_pem(signing_key(settings.AUDIT_KEY_FILE)), ending="")

    def _status(self, options: dict[str, Any]) -> None:
        if not console.status(self.stdout.write):
            raise CommandError("not all is well", returncode=1)

    def _prune(self, options: dict[str, Any]) -> None:
        cuts = prune()
        for cut in cuts:
            self.stdout.write(f"{cut.records} records of chain {cut.writer}, {cut.kept} kept")
        self.stdout.write(f"{sum(cut.records for cut in cuts)} rows removed")

    def _stream(self, options: dict[str, Any]) -> None:
        if not stream():
            raise CommandError("a stream failed; see `audit status`", returncode=1)
        self.stdout.write("every stream has everything")

    def _load(self) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        self.stdout.write(f"ready to load the journals in {settings.JOURNAL_DIR}")
        self.stdout.flush()
        _spare_the_collector()
        loader.run(settings.JOURNAL_DIR, stop=stop)
        try:
            seal()
            anchor_heads()
        except (KeyUnreadable, DatabaseError) as error:
            self.stderr.write(f"what was written last is not sealed: {type(error).__name__}")

    def _load_once(self) -> None:
        one = loader.Loader(settings.JOURNAL_DIR)
        if not one.lease.acquire():
            self.stdout.write("another process loads the journals")
            return
        try:
            self.stdout.write(f"{one.load()} records loaded")
        finally:
            one.lease.release()

    def _verify(self, options: dict[str, Any]) -> None:
        report = verify(settings.JOURNAL_DIR, heads=console.known_heads(options["anchor"]))
        for broken in report.breaks:
            self.stderr.write(str(broken))
        for note in report.notes:
            self.stdout.write(f"note: {note}")
        if report.breaks or (options["strict"] and report.notes):
            found = f"{len(report.breaks)} of {report.writers} chains broken"
            raise CommandError(found, returncode=1)
        sealed = f"{report.heads} heads, {report.unsealed} records not sealed yet"
        self.stdout.write(
            f"{report.records} records of {report.writers} chains verified ({sealed})"
        )

    def _export(self, options: dict[str, Any]) -> None:
        if options["kind"] == EVIDENCE:
            self._export_evidence(options)
            return
        selection = _selection(options)
        since, until = selection.since, selection.until
        record_event(
            actor=console.ACTOR,
            type=EventType.AUDIT_EXPORTED,
            object_type="audit",
            object_id=selection.kind.value,
            project=selection.project,
            details={
                "format": str(options["format"]),
                "kind": selection.kind.value,
                "since": since.isoformat() if since else None,
                "until": until.isoformat() if until else None,
                "project": selection.project,
                "conditions": selection.named(),
            },
        )
        self._print(export(selection, format=ExportFormat(options["format"])))

    def _export_evidence(self, options: dict[str, Any]) -> None:
        if options["since"] or options["until"] or options["project"]:
            raise CommandError("evidence is exported whole: a part of a chain proves nothing")
        record_event(
            actor=console.ACTOR,
            type=EventType.AUDIT_EXPORTED,
            object_type="audit",
            object_id=EVIDENCE,
            details={"format": "jsonl", "kind": EVIDENCE},
        )
        seal()
        anchor_heads()
        self._print(export_evidence())

    def _print(self, lines: Iterable[str]) -> None:
        try:
            for line in lines:
                self.stdout.write(line, ending="")
        except BrokenPipeError:  # the reader, `head` for example, has enough
            sys.stderr.close()
