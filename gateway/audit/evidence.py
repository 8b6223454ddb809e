"""The whole log as one file that can be verified without this system: `gateway.audit.offline`.

JSON Lines: a first line, all heads, then each chain with its rows in the order of the chain, the
control chain first, then a last line. Records are written byte for byte as they were hashed.
"""

from collections.abc import Iterator
from operator import itemgetter
from typing import Final

import msgspec
from django.utils import timezone

from gateway.audit.chain import CONTROL_WRITER
from gateway.audit.models import AuditEvent, OutcomeState, RequestRecord, Writer
from gateway.audit.pages import in_pages
from gateway.audit.sealing import head_line
from gateway.audit.sealing_models import SignedHead

_encode = msgspec.json.Encoder().encode
_REQUEST: Final = (
    *("seq", "prev_hash", "hash", "record", "outcome_state"),
    *("outcome_seq", "outcome_prev_hash", "outcome_hash", "outcome_record"),
)


def export_evidence() -> Iterator[str]:
    """All lines. Streams in pages: memory stays flat. What is written meanwhile is left out."""
    # First: whatever these heads seal stands in the chains that are looked at afterwards.
    last = SignedHead.objects.order_by("-number").values_list("number", flat=True).first() or 0
    writers = sorted(Writer.objects.all(), key=lambda row: (row.pk != CONTROL_WRITER, row.pk))
    now = timezone.now().isoformat()
    yield _line({"kind": "export", "format": 1, "at": now, "chains": len(writers)})
    heads = SignedHead.objects.filter(number__lte=last)
    for head in in_pages(heads, by="number", key=lambda row: row.number):
        yield head_line(head) + "\n"
    for writer in writers:
        yield _line(
            {
                "kind": "chain",
                "writer": writer.pk,
                "first": writer.first_seq,
                "base": writer.base_hash,
                "last": writer.last_seq,
                "hash": writer.last_hash,
            }
        )
        yield from _events(writer) if writer.pk == CONTROL_WRITER else _requests(writer)
    yield _line({"kind": "end"})


def _line(tree: dict[str, object]) -> str:
    return _encode(tree).decode() + "\n"


def _events(writer: Writer) -> Iterator[str]:
    rows = AuditEvent.objects.filter(seq__lte=writer.last_seq)
    values = rows.values_list("seq", "prev_hash", "hash", "body")
    for seq, prev, hash_, body in in_pages(values, by="seq", key=itemgetter(0)):
        tree = {"kind": "event", "writer": writer.pk, "seq": seq, "prev": prev, "hash": hash_}
        yield _line(tree | {"event": msgspec.Raw(body.encode())})


def _requests(writer: Writer) -> Iterator[str]:
    rows = RequestRecord.objects.filter(writer_id=writer.pk, seq__lte=writer.last_seq)
    for values in in_pages(rows.values_list(*_REQUEST), by="seq", key=itemgetter(0)):
        seq, prev, hash_, record, state, outcome_seq, outcome_prev, outcome_hash, outcome = values
        tree: dict[str, object] = {"kind": "request", "writer": writer.pk}
        if record:
            tree |= {"seq": seq, "prev": prev, "hash": hash_}
            tree["decision"] = msgspec.Raw(record.encode())
        if outcome_seq is not None and outcome_seq > writer.last_seq:  # came meanwhile
            outcome, state = "", OutcomeState.PENDING.value
        tree["outcome_state"] = state
        if outcome:
            tree |= {"outcome_seq": outcome_seq, "outcome_prev": outcome_prev}
            tree |= {"outcome_hash": outcome_hash, "outcome": msgspec.Raw(outcome.encode())}
        yield _line(tree)
