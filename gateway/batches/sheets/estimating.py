"""The dry run: every row that is left is decided as it will be, and nothing is sent.

The estimate holds for one policy: its revision is kept with it, and a run goes on only under it.
"""

import logging
from collections.abc import Callable

from django.db import transaction
from django.db.models import Avg

from gateway.audit.models import RequestRecord
from gateway.batches.claims import ClaimLost
from gateway.batches.sheets.answered import answered_rows
from gateway.batches.sheets.claims import Claim
from gateway.batches.sheets.judging import Judge
from gateway.batches.sheets.models import Sheet, SheetStatus
from gateway.batches.sheets.problems import SheetState
from gateway.batches.sheets.prompts import Prompts
from gateway.batches.sheets.tables import Opened, chosen_rows, open_sheet, rows_of
from gateway.batches.sheets.tally import Tally
from gateway.batches.sheets.who import principal_of
from gateway.files.services import set_label
from gateway.snapshot.now import snapshot_now
from policies.engine.labels import Label, Sensitivity

log = logging.getLogger(__name__)
REPORT_EVERY = 50
LAST_ANSWERS = 200

Report = Callable[[int], None]


def estimate(sheet_id: str, *, process: str, report: Report = lambda _: None) -> bool:
    """Make the estimate of a sheet that is `estimating`. Idempotent. False: somebody else does.

    `report` is told how many rows are done, now and then.
    """
    claim = Claim(sheet_id, process=process, statuses=[SheetStatus.ESTIMATING])
    if not claim.taken:
        return False
    try:
        _estimate(claim, report)
    except ClaimLost:
        return False  # cancelled meanwhile, or another process took over
    except SheetState as error:
        claim.update(status=SheetStatus.DRAFT, reason=error.recorded)
    finally:
        claim.release()
    return True


def judge_of(sheet: Sheet, opened: Opened) -> Judge:
    """Judges the sheet's rows by what is committed now. Raises SheetState."""
    setup = opened.setup
    if setup is None:
        raise SheetState("Say what is to be done with the rows first.", code="no_setup")
    return Judge(snapshot_now(), principal_of(sheet), setup.endpoint, sheet.declared)


def prompts_of(opened: Opened) -> Prompts:
    """The sheet's prompts. Raises SheetState."""
    setup = opened.setup
    if setup is None:
        raise SheetState("Say what is to be done with the rows first.", code="no_setup")
    examples = chosen_rows(opened.sheet, setup.examples.rows) if setup.examples else {}
    return Prompts(setup, opened.table.columns, examples)


def _estimate(claim: Claim, report: Report) -> None:
    sheet = Sheet.objects.select_related("project").get(pk=claim.sheet_id)
    opened = open_sheet(sheet)
    judge, prompts = judge_of(sheet, opened), prompts_of(opened)
    setup = prompts.setup
    skip = set(setup.examples.rows) if setup.examples else set()
    skip |= answered_rows(sheet).keys()
    tally = Tally(output_limit=setup.max_tokens)
    shared = judge.judge(prompts.shared())
    with rows_of(sheet) as rows:
        for number, row in rows:
            if number in skip:
                continue
            tally.add(number, judge.judge(prompts.encoded(row, model=sheet.model)))
            claim.keep(estimated=tally.rows)
            if tally.rows % REPORT_EVERY == 0:
                report(tally.rows)
    report(tally.rows)
    found = tally.as_data(
        prices=judge.snapshot.prices,
        answer_s=_answer_times(tally.deployments),
    )
    found["every_row_has"] = (
        dict(shared.decided.labelled.data_classes) if shared.decided is not None else {}
    )
    found["revision"] = judge.revision
    label = tally.label
    if sheet.answers_file_id and sheet.sensitivity:
        # The rows that are left say nothing of those that have ended.
        known = Label(Sensitivity.from_word(sheet.sensitivity), frozenset(sheet.categories))
        label = label.joined(known)
    with transaction.atomic():
        claim.update(
            status=SheetStatus.READY,
            reason="",
            estimate=found,
            estimated=tally.rows,
            revision=judge.revision,
            sensitivity=label.sensitivity.word,
            categories=sorted(label.categories),
        )
        if not skip:
            set_label(sheet.table_file_id, label)


def _answer_times(deployments: list[str]) -> dict[str, float]:
    """Seconds that each took lately, on average; those that never answered are left out."""
    found: dict[str, float] = {}
    for name in deployments:
        lately = RequestRecord.objects.filter(deployment=name, duration_ms__isnull=False)
        last = lately.order_by("-pk")[:LAST_ANSWERS]
        took = RequestRecord.objects.filter(pk__in=last.values("pk")).aggregate(
            took=Avg("duration_ms")
        )["took"]
        if took is not None:
            found[name] = float(took) / 1000
    return found
