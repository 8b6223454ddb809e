"""What a server means that asks to be left alone for a while."""

from datetime import UTC, datetime

import pytest

from gateway.protocol.retry_after import LONGEST_S, seconds_of

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("0.2", 1),
        ("99999999999999999999", LONGEST_S),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30),
        ("Sun Mar  1 12:00:30 2026", 30),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_S),
        ("Sun, 01 Mar 2026 13:00:30 +0100", 30),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("nan", None),
        ("\u0667", None),
        ("Sun, 99 Mar 2026 12:00:30 GMT", None),
        ("Sun, 01 Mar 99999999999 12:00:30 GMT", None),
        ("9" * 40, None),
    ],
)
def test_seconds_and_dates_are_read_and_absurd_ones_bounded(said: str, seconds: int | None) -> None:
    assert seconds_of(said, now=NOW) == seconds
