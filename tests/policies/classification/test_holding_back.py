"""A stream keeps back the longest suffix that may begin a known placeholder, and nothing else.

Each value is as long as its word, so what has not come out yet is what is held back.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.classification.placeholders import placeholder
from policies.classification.restoring import Restorer

KEY = bytes(range(32))
WORDS = tuple(
    placeholder(KEY, data_class, f"value {number}")
    for number, data_class in enumerate(("EMAIL_ADDRESS", "EMAIL_ADDRESS", "IBAN", "DE_TAX_ID"))
)
LONGER = f"{WORDS[2]}bab"  # the beginning of one word is another
MINTED = {word: "." * len(word) for word in (*WORDS, LONGER)}


def held_back(text: str) -> int:
    """How many characters of a stream that has come so far: every start, and every word, tried."""
    known = [word.lower() for word in MINTED]
    begun = text.lower()
    at = 0
    while at < len(begun):
        rest = begun[at:]
        if any(word.startswith(rest) and len(word) > len(rest) for word in known):
            return len(rest)
        at += max((len(word) for word in known if rest.startswith(word)), default=1)
    return 0


def told_piece_by_piece(text: str, cuts: list[int]) -> str:
    """Feeds the pieces and checks after each what is still held back; gives what was told."""
    stream = Restorer(MINTED).stream()
    told = came = ""
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        told += stream.feed(text[start:end])
        came += text[start:end]
        assert len(came) - len(told) == held_back(came), came[-60:]
        assert stream.held == (held_back(came) > 0)
    return told + stream.finish()


PIECES = st.one_of(
    st.sampled_from(sorted(MINTED)),
    st.sampled_from(sorted(MINTED)).map(str.lower),
    st.builds(lambda word, size: word[:size], st.sampled_from(sorted(MINTED)), st.integers(1, 20)),
    st.sampled_from(["X", "x", "XE", " ", "Exact ", "XEMAILx", "Z", "é", "prose goes on. "]),
)


@given(st.lists(PIECES, max_size=8).map("".join), st.data())
def test_only_what_may_yet_become_a_word_is_held_back(text: str, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=6).map(sorted))
    assert told_piece_by_piece(text, cuts) == Restorer(MINTED).restore(text)


def test_letter_by_letter_nothing_waits_longer_than_it_must() -> None:
    text = f"Exactly. Write to {WORDS[0]}, or {LONGER.lower()}, XEMAIL {WORDS[1][:-1]}! XTAX"
    told = told_piece_by_piece(text, list(range(1, len(text))))
    assert told == Restorer(MINTED).restore(text)
    assert WORDS[1][:-1] in told


@pytest.mark.parametrize(
    ("piece", "passed"),
    [
        ("prose without any mark. ", "prose without any mark. "),
        ("an X", "an "),
        ("an Xylophone", "an Xylophone"),
        (f"to {WORDS[0]}", "to " + "." * len(WORDS[0])),
        (f"to {WORDS[2]}", "to "),  # it may yet be the longer one
        (f"to {WORDS[2]}!", "to " + "." * len(WORDS[2]) + "!"),
        ("XEMAIL but no word", "XEMAIL but no word"),
    ],
)
def test_what_is_passed_on_at_once(piece: str, passed: str) -> None:
    assert Restorer(MINTED).stream().feed(piece) == passed
