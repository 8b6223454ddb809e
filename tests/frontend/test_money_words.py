"""Amounts as people read them."""

from decimal import Decimal

import pytest

from frontend.money.amounts import dollars, money


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "$0"),
        ("1204.5", "$1,204.50"),
        ("0.5", "$0.50"),
        ("0.02", "$0.020"),
        ("0.0021", "$0.0021"),
        ("0.000314159", "$0.00031"),
        ("0.000000001", "$0.0000000010"),
        ("0.999999", "$1.00"),
    ],
)
def test_small_amounts_keep_the_two_digits_that_count(amount: str, words: str) -> None:
    assert dollars(Decimal(amount)) == words


def test_nano_dollars_are_dollars_and_what_is_not_known_is_no_amount() -> None:
    assert money(2_100_000) == "$0.0021"
    assert money(0) == "$0"
    assert money(None) == ""
