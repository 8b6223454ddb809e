"""What a stream says of a record: an allow-list of fields, nothing else. Pure.

Left out although the audit has it: what clients or upstreams may write as they like (the alias of
an unknown model, the upstream's name of its model), the digest of the body (a short prompt can be
guessed by it), events' details (names and reasons that people typed). Whoever needs these looks
the record up by `writer` and `seq`.
"""

from typing import Any, Final

import msgspec

from gateway.audit.columns import moment
from gateway.audit.records import DecisionRecord, OutcomeRecord
from gateway.audit.streaming.transports import Item

DECISION_FIELDS: Final = (
    *("id", "request_id", "project", "actor", "on_behalf_of", "key_prefix", "channel", "endpoint"),
    *("stream", "size_bytes", "sensitivity", "categories", "classes", "declared", "decision"),
    *("reason", "revision", "rules", "shadow_rules", "candidates", "masked"),
)
OUTCOME_FIELDS: Final = (
    *("id", "status", "error", "deployment", "zone", "attempts", "prompt_tokens"),
    *("completion_tokens", "first_byte_ms", "duration_ms", "bytes_out"),
)
EVENT_FIELDS: Final = ("actor", "type", "project", "object_type", "object_id")
UNKNOWN_ALIAS: Final = "unknown_alias"
_encode = msgspec.json.Encoder().encode
_decode_decision = msgspec.json.Decoder(DecisionRecord).decode
_decode_outcome = msgspec.json.Decoder(OutcomeRecord).decode


def decision_item(writer: str, seq: int, hash_: str, record: str) -> Item:
    """Of a decision's text. Raises msgspec.MsgspecError when it is none."""
    decoded = _decode_decision(record)
    tree = {name: getattr(decoded, name) for name in DECISION_FIELDS}
    if decoded.decision != UNKNOWN_ALIAS:
        tree["alias"] = decoded.alias
    return _item("decision", (writer, seq, hash_), decoded.at, tree)


def outcome_item(writer: str, seq: int, hash_: str, record: str) -> Item:
    """Of an outcome's text. Raises msgspec.MsgspecError when it is none."""
    decoded = _decode_outcome(record)
    tree = {name: getattr(decoded, name) for name in OUTCOME_FIELDS}
    return _item("outcome", (writer, seq, hash_), decoded.at, tree)


def event_item(writer: str, seq: int, hash_: str, body: str) -> Item:
    """Of an event's text. Raises msgspec.MsgspecError when it is none."""
    decoded: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    tree = {name: decoded.get(name, "") for name in EVENT_FIELDS}
    return _item("event", (writer, seq, hash_), float(decoded.get("at", 0)), tree)


def _item(kind: str, place: tuple[str, int, str], at: float, tree: dict[str, Any]) -> Item:
    time = moment(at)
    writer, seq, hash_ = place
    head = {"kind": kind, "at": time.isoformat(), "writer": writer, "seq": seq, "hash": hash_}
    return Item(at=time, kind=kind, line=_encode(head | tree).decode())
