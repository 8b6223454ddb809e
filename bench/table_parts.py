"""The two parts of `bench.tables`: `python -m bench.table_parts begin|work ROWS`, with SLUICE_VAR
set."""

import csv
import os
import resource
import sys
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")  # noqa: TID251

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402

from bench.batches import configuration  # noqa: E402
from bench.wire import BATCH_MODEL  # noqa: E402
from gateway.accounts.acting import System  # noqa: E402
from gateway.accounts.models import Project, User  # noqa: E402
from gateway.accounts.services import add_member, create_user  # noqa: E402
from gateway.batches.models import Batch  # noqa: E402
from gateway.batches.sheets import runs, services  # noqa: E402
from gateway.batches.sheets.estimating import judge_of  # noqa: E402
from gateway.batches.sheets.models import Sheet, SheetStatus  # noqa: E402
from gateway.batches.sheets.source import of_path  # noqa: E402
from gateway.batches.sheets.tables import open_sheet  # noqa: E402
from gateway.batches.validating import validate  # noqa: E402
from policies.services.configuration import Authority, ConfigFile, apply  # noqa: E402

MOST_REQUEST_S = 1.0
MOST_BYTES = 300 * 1024 * 1024
TEMPLATE = "Sort this comment on ward {{ward}}: {{comment}}"


def say(text: str) -> None:
    """One line of the report."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def begin(rows: int) -> bool:
    """What the web does: take the table, and begin the run."""
    call_command("migrate", interactive=False, verbosity=0)
    member, project = _people()
    path = _table(rows)
    began = time.perf_counter()
    sheet = services.create_sheet(member, project, of_path(path))
    say(f"{rows:,} rows, {path.stat().st_size / 2**20:.0f} MiB")
    say(f"taking the table: {time.perf_counter() - began:.1f} s")
    services.configure(member, sheet, {"model": BATCH_MODEL, "template": TEMPLATE})
    # As an estimate leaves it, which decides about every row.
    revision = judge_of(sheet, open_sheet(sheet)).revision
    Sheet.objects.filter(pk=sheet.pk).update(status=SheetStatus.READY, revision=revision)
    sheet.refresh_from_db()
    began = time.perf_counter()
    runs.run(member, sheet)
    took_s = time.perf_counter() - began
    met = took_s < MOST_REQUEST_S
    say(f"{'holds ' if met else 'MISSED'} beginning the run: {took_s * 1000:.0f} ms")
    return met


def work(rows: int) -> bool:
    """What a worker does first: write the prompts, and make the batch's rows."""
    batch = Batch.objects.get()
    before = _peak_bytes()
    began = time.perf_counter()
    validate(batch.pk, process="bench")
    took_s = time.perf_counter() - began
    peak = _peak_bytes()
    batch.refresh_from_db()
    say(f"writing the prompts and making the rows: {took_s:.1f} s in the worker")
    met = peak < MOST_BYTES and batch.total == rows
    say(
        f"{'holds ' if met else 'MISSED'} {batch.total:,} rows are {batch.status}; the process "
        f"took {peak / 2**20:.0f} MiB, {(peak - before) / 2**20:.0f} of them for this"
    )
    return met


def _people() -> tuple[User, Project]:
    by = System("console")
    config = Path(settings.VAR_DIR) / "sluice.yaml"
    config.write_text(configuration(9))  # nothing is sent
    apply(ConfigFile.read(config), authority=Authority(by), yes_widen=True)
    project = Project.objects.get(slug="bench")
    member = create_user(by=by, email="bench@bench.example", name="bench", password=None)
    add_member(by=by, project=project, user=member)
    return member, project


def _table(rows: int) -> Path:
    path = Path(settings.VAR_DIR) / "table.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["ward", "comment"])
        for number in range(rows):
            writer.writerow([number % 40, f"Comment {number}: " + "the queue was long, " * 20])
    return path


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    part = {"begin": begin, "work": work}[sys.argv[1]]
    raise SystemExit(int(not part(int(sys.argv[2]))))
