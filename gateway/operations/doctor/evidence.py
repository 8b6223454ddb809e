"""Looks at the journal, the chains, their heads, and where these are sent."""

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

from gateway.audit import console
from gateway.audit.journal import MAX_BYTES
from gateway.audit.sealing import IDLE, sealed_age
from gateway.audit.strict import not_loaded
from gateway.audit.verify import verify
from gateway.operations.doctor.findings import Finding, odd, well, wrong

_BEHIND_BYTES = MAX_BYTES // 4
_OVERDUE = IDLE + timedelta(minutes=10)  # an idle audit is sealed that seldom


def journal() -> Iterator[Finding]:
    """Whether it can be written, and whether somebody loads it."""
    folder: Path = settings.JOURNAL_DIR
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    probe = folder / ".doctor"
    probe.write_bytes(b"\n" * 65_536)
    probe.unlink()
    waiting = sum(path.stat().st_size for path in folder.glob("*.jsonl"))
    said = f"the journal can be written; {waiting // 1024:,} KiB are not loaded yet or in use"
    if waiting > _BEHIND_BYTES:
        yield wrong(said, f"start the loader (`manage.py audit load`); at {MAX_BYTES:,} it denies")
    else:
        yield well(said)
    broken = sorted(path.name for path in folder.glob("*.broken"))
    if broken:
        yield wrong(
            f"{len(broken)} journal files do not hold together, {broken[0]} first",
            "`manage.py audit search` and the events journal.broken tell more; keep the files",
        )


def chains() -> Iterator[Finding]:
    """Whether every chain verifies, with its heads and file anchors."""
    try:
        report = verify(settings.JOURNAL_DIR, heads=console.known_heads(None))
    except CommandError as error:
        yield wrong(str(error), "see SLUICE_AUDIT_KEY and the files named")
        return
    for broken in report.breaks:
        yield wrong(str(broken), "the audit was changed: keep a copy of everything, find out who")
    for note in report.notes:
        yield odd(note, "look at it once")
    if not report.breaks:
        yield well(
            f"{report.records:,} records of {report.writers} chains verify, {report.heads} heads"
        )
    missing = not_loaded().filter(reported=True).count()
    if missing:
        yield wrong(f"{missing} decisions were committed and never journaled", "see docs/audit.md")


def heads() -> Iterator[Finding]:
    """Whether heads are signed and arrive, and whether streams do."""
    said = io.StringIO()
    sound = console.status(lambda line: said.write(f"{line}\n"))
    for line in said.getvalue().splitlines():
        yield well(line) if sound else wrong(line, "see docs/audit.md; is the worker running?")
    age = sealed_age()
    if age is not None and age > _OVERDUE:
        yield wrong(
            f"the last head is {age.total_seconds() / 3600:.0f} hours old: nothing is sealed",
            "start the worker and beat; `manage.py audit seal` does it once",
        )
    if not settings.AUDIT_ANCHORS:
        yield odd(
            "heads are kept on this machine alone: whoever has it can sign a log anew",
            "set SLUICE_AUDIT_ANCHORS to a place that its admins cannot write to",
        )
