"""The preview marks everything that was found, by what becomes of it where the row goes."""

from typing import Any

from gateway.batches.sheets.preview import preview
from tests.gateway.batches.sheets.conftest import EMAIL, IBAN, Lab
from tests.gateway.batches.sheets.test_runs import table

CARD = "4111 1111 1111 1111"
PHONE = "+49 30 901820"
ADDRESS = "203.0.113.77"
HERE = {"zone": "on_prem"}
MASKED: dict[str, Any] = {
    "rules": [
        {"id": "m", "when": {}, "then": {"mask": ["EMAIL_ADDRESS"], "for": HERE}},
        {"id": "h", "when": {}, "then": {"mask": ["PHONE_NUMBER"], "mode": "hash", "for": HERE}},
        {"id": "p", "when": {}, "then": {"mask": ["IBAN"], "mode": "partial", "for": HERE}},
        {"id": "r", "when": {}, "then": {"mask": ["IP_ADDRESS"], "mode": "remove", "for": HERE}},
    ]
}


def marks_in(lab: Lab, text: str, **setup: Any) -> tuple[str, list[tuple[str, str, str]]]:
    """The text of the first row as it would be sent, and (class, fate, marked text) in order."""
    (row,) = preview(lab.configured(table(text), model="llama", **setup))
    message = row["prompt"][-1]
    shown = message["text"]
    return shown, [
        (mark["class"], mark["fate"], shown[mark["start"] : mark["end"]])
        for mark in message["marks"]
    ]


def test_each_mode_of_masking_has_its_mark_and_so_has_what_is_left(lab: Lab) -> None:
    lab.publish(**MASKED)
    text, marks = marks_in(
        lab, f"mail {EMAIL} or call {PHONE} from {ADDRESS} to pay {IBAN} or {CARD} at once"
    )
    assert [(name, fate) for name, fate, _ in marks] == [
        ("EMAIL_ADDRESS", "placeholder"),
        ("PHONE_NUMBER", "hash"),
        ("IP_ADDRESS", "remove"),
        ("IBAN", "partial"),
        ("PAYMENT_CARD", "open"),
    ]
    mail, phone, address, iban, card = (shown for *_, shown in marks)
    assert (address, card) == ("", CARD)
    assert "***" in iban
    assert text == f"mail {mail} or call {phone} from to pay {iban} or {card} at once"


def test_what_follows_what_was_taken_out_at_the_start_is_marked_where_it_stands(lab: Lab) -> None:
    lab.publish(**MASKED)
    text, marks = marks_in(lab, f"{ADDRESS} paid with {CARD}")
    assert text == f"paid with {CARD}"
    assert marks == [("IP_ADDRESS", "remove", ""), ("PAYMENT_CARD", "open", CARD)]


def test_a_row_that_goes_nowhere_shows_what_kept_it(lab: Lab) -> None:
    lab.publish(rules=[{"id": "no", "when": {"category": "payment"}, "then": {"deny": True}}])
    text, marks = marks_in(lab, f"pay {IBAN}")
    assert (text, marks) == (f"pay {IBAN}", [("IBAN", "held", IBAN)])


def test_the_texts_of_embeddings_are_marked_too(lab: Lab) -> None:
    lab.publish(**MASKED)
    text, marks = marks_in(lab, f"mail {EMAIL}", kind="embeddings")
    (mark,) = marks
    assert mark[:2] == ("EMAIL_ADDRESS", "placeholder")
    assert text == f"mail {mark[2]}"
