"""Texts in windows and in tokens: nothing is left out, and a place is exact or it is none."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.classification.windows import token_places, windows


@given(
    st.text(alphabet=st.sampled_from("abc \n\té漢"), max_size=400),
    st.integers(20, 90),
    st.integers(0, 4),
)
def test_windows_cover_every_character_in_order(text: str, size: int, share: int) -> None:
    overlap = share * size // 16
    places = windows(text, size, overlap)
    assert all(0 < end - start <= size for start, end in places) or text == ""
    assert (places[0][0], places[-1][1]) == (0, len(text))
    for (_, before), (start, end) in itertools.pairwise(places):
        assert start <= before - overlap
        assert end > before


@given(st.text(alphabet="ab ", min_size=200, max_size=300), st.integers(0, 199))
def test_what_is_shorter_than_the_overlap_is_whole_in_one_window(text: str, at: int) -> None:
    assert any(start <= at and at + 10 <= end for start, end in windows(text, 60, 10)) or (
        at + 10 > len(text)
    )


def spans(text: str, tokens: list[str]) -> list[str | None] | None:
    places = token_places(text, tokens)
    if places is None:
        return None
    return [None if place is None else text[place[0] : place[1]] for place in places]


def test_word_pieces_without_case_and_accents_are_found_again() -> None:
    assert spans(
        "René  Müller-Lüden", ["[CLS]", "ren", "##e", "muller", "-", "lu", "##den", "[SEP]"]
    ) == [*(None, "Ren", "é", "Müller", "-", "Lü", "den", None)]


def test_pieces_of_sentencepiece_and_of_byte_level_bpe_are_found_again() -> None:
    assert spans("Jane é", ["<s>", "▁Jane", "▁é", "</s>"]) == [None, "Jane", "é", None]
    assert spans("Jane é", ["<s>", "J", "ane", "ĠÃ©", "</s>"]) == [None, "J", "ane", "é", None]


def test_an_unknown_word_is_the_one_that_was_passed_over() -> None:
    assert spans("a 漢字 b", ["[CLS]", "a", "[UNK]", "b", "[SEP]"]) == [
        None,
        "a",
        "漢字",
        "b",
        None,
    ]
    # Which of [UNK] and [SEP] stands for the last word, nobody says: both do.
    assert spans("a 漢字", ["[CLS]", "a", "[UNK]", "[SEP]"]) == [None, "a", "漢字", "漢字"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("one two three", ["[CLS]", "one", "three", "[SEP]"]),
        ("one two x", ["two", "x"]),
        ("a 漢 字 b", ["a", "[UNK]", "b"]),
        ("hello there", ["x"]),
        ("hello", []),
    ],
)
def test_what_cannot_be_laid_along_the_text_has_no_places(text: str, tokens: list[str]) -> None:
    assert spans(text, tokens) is None


@given(st.text(max_size=60), st.lists(st.text(max_size=6), max_size=12))
def test_a_place_lies_in_the_text_whatever_the_tokens_say(text: str, tokens: list[str]) -> None:
    places = token_places(text, tokens)
    if places is not None:
        assert len(places) == len(tokens)
        for place in places:
            assert place is None or 0 <= place[0] < place[1] <= len(text)
