"""A row's line of the output or error file: OpenAI's shape, and a receipt in `sluice`."""

from collections.abc import Mapping

import msgspec

from gateway.batches.models import BatchRow
from gateway.batches.rows import Leased
from gateway.inference.exchange import Reply
from gateway.inference.prices import Receipt
from gateway.protocol.answers import read_head
from gateway.protocol.errors import GatewayError
from policies.engine.labels import Label, Sensitivity

_encode = msgspec.json.Encoder().encode


class NotJSON(Exception):
    """A model server answered 200 with something that is no JSON."""


def request_name(batch_id: str, index: int) -> str:
    """`batch_req_…`, the same each time."""
    return f"batch_req_{batch_id.removeprefix('batch_')}{index:06d}"


def headers_of(reply: Reply) -> dict[str, str]:
    """A reply's headers as text."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reply.headers}


def label_in(headers: Mapping[str, str]) -> Label | None:
    """The row's label as the decision found it; None when none was made."""
    word = headers.get("x-sluice-sensitivity")
    if not word:
        return None
    names = headers.get("x-sluice-categories", "")
    return Label(Sensitivity.from_word(word), frozenset(names.split(", ") if names else ()))


def answered_line(
    batch_id: str,
    row: Leased,
    custom_id: str,
    body: bytes,
    headers: Mapping[str, str],
    used: Receipt | None,
) -> bytes:
    """The line of a row that a model answered; `used`: what that took. Raises NotJSON."""
    try:
        # Checks it, and takes out line breaks, which would end the line.
        compact = msgspec.json.format(body, indent=-1)
    except msgspec.DecodeError:
        raise NotJSON(custom_id) from None
    model, _ = read_head(body)
    return _line(
        batch_id,
        row,
        custom_id,
        response={
            "status_code": 200,
            "request_id": headers.get("x-request-id", ""),
            "body": msgspec.Raw(compact),
        },
        error=None,
        receipt=_receipt(row, headers, model=model, used=used),
    )


def refused_line(batch_id: str, row: Leased, custom_id: str, error: GatewayError) -> bytes:
    """The line of a row that failed: what the same request would have been answered."""
    return _line(
        batch_id,
        row,
        custom_id,
        response={
            "status_code": error.status,
            "request_id": error.headers.get("x-request-id", ""),
            "body": msgspec.Raw(error.body()),
        },
        error=None,
        receipt=_receipt(row, error.headers, model=""),
    )


def unrun_line(
    batch_id: str, row: BatchRow, custom_id: str, *, code: str, message: str, last: bytes
) -> bytes:
    """The line of a row that the batch's end came before. One that was tried says so and has a
    receipt: that of its last try when there is a line of it (`last`)."""
    line: dict[str, object] = {
        "id": request_name(batch_id, row.index),
        "custom_id": custom_id,
        "response": None,
        "error": {"code": code, "message": message + _tried(row)},
    }
    if row.tries or row.lost:
        known = msgspec.json.decode(last)["sluice"] if last else _receipt(row, {}, model="")
        line["sluice"] = {**known, "attempt": row.tries, "earlier_attempt_lost": row.lost}
    return _encode(line)


def _tried(row: BatchRow) -> str:
    said = ""
    if row.tries:
        times = "once" if row.tries == 1 else f"{row.tries} times"
        said = f" Before that it was tried {times} in vain."
    if row.lost:
        said += " It may have been answered, and paid for, without the answer being kept."
    return said


def _line(
    batch_id: str,
    row: Leased,
    custom_id: str,
    *,
    response: dict[str, object],
    error: None,
    receipt: dict[str, object],
) -> bytes:
    return _encode(
        {
            "id": request_name(batch_id, row.index),
            "custom_id": custom_id,
            "response": response,
            "error": error,
            "sluice": receipt,
        }
    )


def _receipt(
    row: Leased | BatchRow,
    headers: Mapping[str, str],
    *,
    model: str,
    used: Receipt | None = None,
) -> dict[str, object]:
    """Where the row went and why. `attempt` counts how often it was asked for.
    `earlier_attempt_lost`: a process ended, or a connection broke, while the row was with a model
    server, so it may have been answered, and paid for, once more than this says."""
    rules = headers.get("x-sluice-rules", "")
    categories = headers.get("x-sluice-categories", "")
    return {
        "decision": headers.get("x-sluice-decision", ""),
        "zone": headers.get("x-sluice-zone", ""),
        "deployment": headers.get("x-sluice-deployment", ""),
        "model": model,
        "sensitivity": headers.get("x-sluice-sensitivity", ""),
        "categories": categories.split(", ") if categories else [],
        "rules": rules.split(", ") if rules else [],
        "masked": int(headers.get("x-sluice-masked", "0")),
        # As usage and budgets were settled with it.
        "prompt_tokens": used.prompt_tokens if used is not None else 0,
        "completion_tokens": used.completion_tokens if used is not None else 0,
        "tokens_estimated": used is not None and used.estimated,
        "cost_usd": None if used is None or used.cost_usd is None else f"{used.cost_usd:f}",
        "attempts": headers.get("x-sluice-attempts", ""),
        "attempt": row.tries + 1,
        "earlier_attempt_lost": row.lost,
    }
