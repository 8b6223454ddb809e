"""A few rows as they would be sent: one of each destination first, with what was found in them.

Nothing is sent, stored or journalled. What comes out holds the rows' own text: it is for whoever
may read the table, and for nobody's log.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Any

from gateway.batches.sheets.cells import Row, text_of
from gateway.batches.sheets.estimating import judge_of, prompts_of
from gateway.batches.sheets.judging import Judge, Judged
from gateway.batches.sheets.marks import marked_texts
from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.prompts import Prompts
from gateway.batches.sheets.tables import chosen_rows, open_sheet, rows_of
from gateway.batches.sheets.tally import USUAL_OUTPUT
from gateway.inference.exchange import Decided
from gateway.inference.prices import usd
from gateway.inference.trace import rule_names
from gateway.protocol.errors import FailClosed
from gateway.protocol.walk import places
from gateway.snapshot.now import snapshot_now
from policies.engine.facts import Endpoint

MOST_ROWS = 20
LOOK_AT = 2000
PATIENCE_S = 3.0
ROWS_FOR_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class _Seen:
    number: int
    judged: Judged


def preview(sheet: Sheet, *, count: int = 5, after: int = 0) -> list[dict[str, Any]]:
    """Up to `count` rows behind the row `after`, as data. Every destination that the estimate
    knows appears, as far as `count` allows; without an estimate, every one that the first
    thousands of rows have. Raises SheetState, InvalidRequest."""
    opened = open_sheet(sheet)
    judge, prompts = judge_of(sheet, opened), prompts_of(opened)
    count = min(max(count, 1), MOST_ROWS)
    if sheet.estimate and sheet.revision == judge.revision and not after:
        rows: Iterator[tuple[int, Row]] = iter(
            sorted(chosen_rows(sheet, _samples(sheet.estimate, count)).items())
        )
        seen = [_Seen(number, _judged(judge, prompts, row)) for number, row in rows]
    else:
        seen = _looked_for(sheet, judge, prompts, count=count, after=after)
    return [_told(each, judge, prompts) for each in seen]


def columns_found(sheet: Sheet) -> dict[str, list[str]]:
    """The categories that cells of each column hold, in the first hundred rows; nothing is sent."""
    columns = open_sheet(sheet).table.columns
    view = snapshot_now().projects.get(sheet.project.slug)
    if view is None:
        return {}
    texts: list[str] = []
    with rows_of(sheet) as rows:
        for _, row in islice(rows, ROWS_FOR_COLUMNS):
            texts += [text_of(cell) for cell in row]
    found: dict[str, set[str]] = {}
    for finding in view.analyser.analyse(texts).findings:
        found.setdefault(columns[finding.field % len(columns)], set()).add(finding.category)
    return {name: sorted(categories) for name, categories in found.items()}


def models_for(sheet: Sheet) -> list[str]:
    """The aliases that rows may be sent to, chat before embeddings. Raises FailClosed."""
    view = snapshot_now().projects.get(sheet.project.slug)
    if view is None:
        raise FailClosed("This project's policy could not be read.", param="policy")
    chats = Endpoint.CHAT_COMPLETIONS
    return sorted(view.models, key=lambda name: chats not in view.models[name].endpoints)


def _samples(estimate: dict[str, Any], count: int) -> list[int]:
    """Row numbers, the destinations taking turns."""
    lists = [list(each["samples"]) for each in (*estimate["destinations"], *estimate["held"])]
    found: list[int] = []
    while lists and len(found) < count:
        lists = [each for each in lists if each]
        for each in lists:
            found.append(each.pop(0))
    return found[:count]


def _looked_for(
    sheet: Sheet, judge: Judge, prompts: Prompts, *, count: int, after: int
) -> list[_Seen]:
    chosen = prompts.setup.examples
    skip = frozenset(chosen.rows) if chosen is not None else frozenset()
    firsts: dict[object, _Seen] = {}
    others: list[_Seen] = []
    deadline = monotonic() + PATIENCE_S
    with rows_of(sheet) as rows:
        for number, row in rows:
            if number in skip or number <= after:
                continue
            seen = _Seen(number, _judged(judge, prompts, row))
            kind = seen.judged.destination or seen.judged.held
            if kind not in firsts:
                firsts[kind] = seen
            elif len(others) < count:
                others.append(seen)
            if number - after >= LOOK_AT or monotonic() > deadline:
                break
    found = [*list(firsts.values())[:count], *others][:count]
    return sorted(found, key=lambda each: each.number)


def _judged(judge: Judge, prompts: Prompts, row: Row) -> Judged:
    return judge.judge(prompts.encoded(row))


def _told(seen: _Seen, judge: Judge, prompts: Prompts) -> dict[str, Any]:
    judged = seen.judged
    told: dict[str, Any] = {
        "row": seen.number,
        "destination": None,
        "held": None,
        "tokens": judged.prompt_tokens,
        "cost_usd_most": None,
        "label": None,
        "rules": [],
        "findings": [],
        "prompt": [],
    }
    if judged.held is not None:
        held = judged.held
        told["held"] = {"code": held.code, "rules": list(held.rules), "sentence": held.sentence}
    if judged.destination is not None:
        where = judged.destination
        told["destination"] = {
            "name": where.name,
            "deployment": where.deployment,
            "zone": where.zone,
            "masked": where.masked,
        }
        price = judge.snapshot.prices.get(where.deployment)
        if price is not None:
            most = prompts.setup.max_tokens or USUAL_OUTPUT
            nano = price.cost_nano(prompt_tokens=judged.prompt_tokens, completion_tokens=most)
            told["cost_usd_most"] = f"{usd(nano):f}"
    if judged.decided is not None:
        told |= _decided(judged.decided)
    return told


def _decided(decided: Decided) -> dict[str, Any]:
    permit, request = decided.permit, decided.request
    where = places(request.tree, payloads=request.payloads)
    findings = [
        {
            "class": finding.data_class,
            "category": finding.category,
            "place": where[finding.field],
            "start": finding.start,
            "end": finding.end,
        }
        for finding in decided.labelled.findings
    ]
    return {
        "label": {
            "sensitivity": permit.label.sensitivity.word,
            "categories": sorted(permit.label.categories),
        },
        "rules": rule_names(permit.rules),
        "findings": findings,
        "prompt": [
            {
                "role": each.role,
                "text": each.text,
                "marks": [mark.as_data() for mark in each.marks],
            }
            for each in marked_texts(decided)
        ],
    }
