"""The searchable columns of a request's row, drawn from its two records. Pure: no Django.

One place for the loader, which writes them, and for `verify`, which compares them. What a
database cannot hold (NUL in text, numbers beyond 64 bits, times beyond year 9999) is bent here;
the record's own text is stored as it was, so nothing is lost and no record can stop the loader.
"""

from datetime import UTC, datetime

from gateway.audit.records import DecisionRecord, OutcomeRecord

Value = str | int | bool | datetime | list[str] | dict[str, int] | None

DECISION_COLUMNS = (
    "request_id",
    "at",
    "project",
    "actor",
    "on_behalf_of",
    "key_prefix",
    "channel",
    "endpoint",
    "alias",
    "stream",
    "size_bytes",
    "digest",
    "sensitivity",
    "categories",
    "classes",
    "declared",
    "decision",
    "reason",
    "revision",
    "rules",
    "masked",
)
OUTCOME_COLUMNS = (
    "outcome_at",
    "status",
    "error",
    "deployment",
    "zone",
    "model",
    "prompt_tokens",
    "completion_tokens",
    "first_byte_ms",
    "duration_ms",
    "bytes_out",
)
TIMES = frozenset({"at", "outcome_at"})
JSON = frozenset({"categories", "classes", "rules"})
NO_OUTCOME: tuple[Value, ...] = (None, None, "", "", "", "", None, None, None, None, None)
LAST = 2**63 - 1  # what a BigIntegerField holds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(seconds: float) -> datetime:
    """Unix seconds as an aware time; the epoch when no calendar holds it."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return _EPOCH


def text(value: str) -> str:
    """Without NUL, which PostgreSQL refuses."""
    return value.replace("\0", "\ufffd") if "\0" in value else value


def _number(value: int | None) -> int | None:
    return value if value is None or -LAST <= value <= LAST else LAST


def decision_values(record: DecisionRecord) -> tuple[Value, ...]:
    """In the order of DECISION_COLUMNS."""
    return (
        text(record.request_id),
        moment(record.at),
        text(record.project),
        text(record.actor),
        text(record.on_behalf_of),
        text(record.key_prefix),
        text(record.channel),
        text(record.endpoint),
        text(record.alias),
        record.stream,
        _number(record.size_bytes),
        text(record.digest),
        text(record.sensitivity),
        [text(each) for each in record.categories],
        {text(name): _number(count) or 0 for name, count in record.classes.items()},
        text(record.declared),
        text(record.decision),
        text(record.reason),
        text(record.revision),
        [text(each) for each in record.rules],
        _number(record.masked),
    )


def outcome_values(record: OutcomeRecord) -> tuple[Value, ...]:
    """In the order of OUTCOME_COLUMNS."""
    return (
        moment(record.at),
        _number(record.status),
        text(record.error),
        text(record.deployment),
        text(record.zone),
        text(record.model),
        _number(record.prompt_tokens),
        _number(record.completion_tokens),
        _number(record.first_byte_ms),
        _number(record.duration_ms),
        _number(record.bytes_out),
    )


def missing_decision(outcome: OutcomeRecord) -> tuple[Value, ...]:
    """The decision's columns of a row that has an outcome only."""
    return ("", moment(outcome.at), *[""] * 7, False, 0, "", "", [], {}, "", "", "", "", [], 0)
