"""A receipt's cost: known, estimated, not known."""

import pytest

from frontend.showing import Person, Shown, article
from gateway.chat.receipts import Receipt, read_receipt
from gateway.inference.prices import Receipt as Used


def shown(used: Used | None) -> str:
    receipt = Receipt(deployment="claude", zone="cloud")
    receipt.take_cost(used)
    return article(
        Shown(
            id=7,
            conversation="c",
            parent=None,
            role="reply",
            state="done",
            model="claude",
            person=Person("", "Ada", 0),
            html="<p>yes</p>",
            receipt=read_receipt(receipt.encoded()),
        )
    )


@pytest.mark.parametrize(
    ("cost_nano", "estimated", "words"),
    [
        (2_100_000, False, "<span>$0.0021</span>"),
        (2_100_000, True, "<span>≈ $0.0021</span>"),
        (0, False, "<span>$0</span>"),
    ],
)
def test_a_receipt_has_its_cost_and_says_when_it_is_an_estimate(
    cost_nano: int, estimated: bool, words: str
) -> None:
    used = Used(
        deployment="claude",
        zone="cloud",
        prompt_tokens=12,
        completion_tokens=3,
        cost_nano=cost_nano,
        estimated=estimated,
    )
    page = shown(used)
    assert words in page
    assert ("the vendor gave no figures" in page) is estimated
    assert "12 in · 3 out" in page


def test_a_cost_that_nobody_knows_is_said_and_is_not_nothing() -> None:
    used = Used(deployment="claude", zone="cloud", prompt_tokens=1, completion_tokens=1)
    page = shown(used)
    assert "nobody stated a price for this model" in page
    assert "$" not in page


def test_where_nobody_answered_there_is_no_cost() -> None:
    page = shown(None)
    assert "Cost" not in page
    assert "$" not in page
