"""The quick way to a row's values gives what the thorough way gives."""

from types import ModuleType
from typing import Any

import msgspec
import pytest

from gateway.audit import rows
from gateway.audit.columns import decision_values, outcome_values
from gateway.audit.reading import Entry
from gateway.audit.records import DecisionRecord, OutcomeRecord

pytestmark = pytest.mark.django_db

TIMES = [0.0, 0.5, -0.5, -1.0, 1.9999996, 1.99999951, 1e300, float(2**33), 1_750_000_000.25]
TIMES += [1_750_000_000.999999, 1_750_000_000.9999999, 1_750_000_001.000001, -62135596800.0]
NUMBERS = [0, -1, 2**63 - 1, -(2**63) + 1, 2**63, -(2**63), 2**64 - 1]


def entry_of(record: DecisionRecord | OutcomeRecord) -> Entry:
    return Entry(1, "p", "h", msgspec.json.encode(record).decode(), record)


def check_decision(parts: rows._Parts, record: DecisionRecord) -> None:
    found = parts.decision("id", entry_of(record), record)[6:]
    assert found == rows._adapted(rows._DECISION, decision_values(record), parts._adapt)


def check_outcome(parts: rows._Parts, record: OutcomeRecord) -> None:
    found = parts.outcome(entry_of(record), record)[4:-1]
    assert found == rows._adapted(rows._OUTCOME, outcome_values(record), parts._adapt)


def test_times_are_those_of_the_thorough_way(writing: ModuleType) -> None:
    parts = rows._Parts("w")
    for at in [*TIMES, *reversed(TIMES)]:  # also when the kept second is another
        check_decision(parts, writing.decision(1, at=at))
        check_outcome(parts, writing.outcome(1, at=at))


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_beyond_the_database_are_bent_alike(writing: ModuleType, number: int) -> None:
    parts = rows._Parts("w")
    changes: list[dict[str, Any]] = [
        {"size_bytes": number},
        {"masked": number},
        {"classes": {"IBAN": number}},
    ]
    for change in changes:
        check_decision(parts, msgspec.structs.replace(writing.decision(1), **change))
    for name in ("status", "prompt_tokens", "completion_tokens", "first_byte_ms", "duration_ms"):
        check_outcome(parts, msgspec.structs.replace(writing.outcome(1), **{name: number}))
    check_outcome(parts, msgspec.structs.replace(writing.outcome(1), bytes_out=number))


@pytest.mark.parametrize("text", ["\0", "a\0b", "\\u0000", "\\", '"', "ü", ""])
def test_texts_are_bent_alike_in_every_place(writing: ModuleType, text: str) -> None:
    parts = rows._Parts("w")
    decision, outcome = writing.decision(1), writing.outcome(1)
    for name in set(DecisionRecord.__struct_fields__) - {"id", "at"}:
        if isinstance(getattr(decision, name), str):
            check_decision(parts, msgspec.structs.replace(decision, **{name: text}))
    changes: list[dict[str, Any]] = [
        {"categories": [text]},
        {"rules": [text]},
        {"classes": {text: 1}},
        {"categories": [], "rules": [], "classes": {}},
        {"stream": True},
    ]
    for change in changes:
        check_decision(parts, msgspec.structs.replace(decision, **change))
    for name in ("error", "deployment", "zone", "model"):
        check_outcome(parts, msgspec.structs.replace(outcome, **{name: text}))


def test_nothing_is_missing_where_tokens_are_unknown(writing: ModuleType) -> None:
    record = msgspec.structs.replace(
        writing.outcome(1), prompt_tokens=None, completion_tokens=None, first_byte_ms=None
    )
    check_outcome(rows._Parts("w"), record)
