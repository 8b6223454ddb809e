"""The dialect of custom patterns: what is read, what is refused where, what a search finds."""

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from policies.classification.pattern_program import Alphabet, Meter, Program, sets_of
from policies.classification.pattern_syntax import MAX_LENGTH, MAX_SIZE, read_pattern
from policies.classification.pattern_tree import PatternError
from policies.classification.spans import SEPARATOR


def found(pattern: str, text: str, *, ignore_case: bool = False) -> list[str]:
    tree = read_pattern(pattern, ignore_case=ignore_case)
    alphabet = Alphabet(sets_of([tree]))
    program = Program(tree, alphabet)
    places = program.find(alphabet.encode(text), Meter(), lambda _start, _end: True)
    return [text[start:end] for start, end in places]


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("AB", "ABAB aB", ["AB", "AB"]),
        (r"\d{2,4}", "1 12 123456", ["12", "1234", "56"]),
        (r"\d\d|\d\d\d", "123", ["123"]),
        (r"[^0-9 ]{2}", "ab 12 c", ["ab"]),
        (r"\bAB\b", "AB xAB ABx éAB AB", ["AB", "AB"]),
        (r"A\B\w", "A1 A", ["A1"]),
        (r"a.c", "abc a\nc a c", ["abc", "a c"]),
        (r"x\.y\-z\\", "x.y-z\\ xay", ["x.y-z\\"]),
        (r"[\w.-]{3}", "a.b c", ["a.b"]),
        (r"[]", "", None),
        (r"(?:a|b){2}c?", "abc ab", ["abc", "ab"]),
        (r"\x41\u00e9B?", "AéB Aé", ["AéB", "Aé"]),
        (r"A\s{1,3}B", "A \t\u00a0B AB", ["A \t\u00a0B"]),
        (r"паспорт \d{2}", "мой паспорт 12", ["паспорт 12"]),
        (r"[д-яё]{3}", "Где мёд", ["мёд"]),
        (r"東京\d", "東京1 東京x", ["東京1"]),
        (r"\bñu\b", "ñu ñus señu", ["ñu"]),
    ],
)
def test_a_search_finds_the_longest_match_at_each_place(
    pattern: str, text: str, matches: list[str] | None
) -> None:
    if matches is None:
        with pytest.raises(PatternError):
            read_pattern(pattern)
    else:
        assert found(pattern, text) == matches


def test_case_is_ignored_in_every_script_where_that_is_asked_for() -> None:
    assert found("straße [д-ж]{2}", "STRASSE ДЖ Straße Дж", ignore_case=True) == ["Straße Дж"]
    assert found("kd-ÄÖ", "KD-äö kd-ÄÖ", ignore_case=True) == ["KD-äö", "kd-ÄÖ"]
    assert found("kd", "KD") == []


def test_a_letter_with_an_accent_is_found_without_it_too() -> None:
    assert found("Müller", "Müller Muller") == ["Müller", "Muller"]
    assert found("Muller", "Müller Muller") == ["Muller"]


@pytest.mark.parametrize("pattern", [r"a.b", r"a[^x]b", r"a\sb", r"a\Wb", r"a\Sb"])
def test_no_match_runs_from_one_text_into_the_next(pattern: str) -> None:
    assert found(pattern, f"a{SEPARATOR}b") == []


@pytest.mark.parametrize(
    ("pattern", "position", "sentence"),
    [
        (r"ab*", 3, "'*' has no end, so that the work would have none either."),
        (r"a(b+)c", 4, "'+' has no end, so that the work would have none either."),
        (r"\d{3,}", 3, "This repetition has no end, so that the work would have none either."),
        (r"ab??", 4, "A repetition cannot be repeated or made lazy; the longest match counts."),
        (r"a{2}{3}", 5, "A repetition cannot be repeated or made lazy; the longest match counts."),
        (r"a{5,2}", 2, "A repetition goes from fewer to more times, and at most 128 of them."),
        (r"a{0}", 2, "A repetition goes from fewer to more times, and at most 128 of them."),
        (r"a{129}", 2, "A repetition goes from fewer to more times, and at most 128 of them."),
        (r"a{x}", 2, "This is no repetition."),
        (r"x(?=y)", 2, "This looks ahead."),
        (r"x(?!y)", 2, "This looks ahead."),
        (r"(?<=x)y", 1, "This looks back."),
        (r"(?<!x)y", 1, "This looks back."),
        (r"(?P<n>a)", 1, "Groups have no names here."),
        (r"(?<n>a)", 1, "Groups have no names here."),
        (r"(?P=n)", 1, "This refers back to a group."),
        (r"(?>a)", 1, "Atomic groups are not needed: the longest match counts."),
        (r"(?i)a", 1, "Flags cannot be set within a pattern."),
        (r"(?#c)a", 1, "Comments are not read."),
        (r"(a)\1", 4, "This refers back to a group, which no search in linear time can do."),
        (r"\p{L}", 1, "Classes of Unicode have no names here."),
        (r"a\q", 2, "This escape means nothing here."),
        (r"a\x4", 2, "An escape by number needs 2 hexadecimal digits."),
        ("ab\\", 3, "The pattern ends within an escape."),
        (r"^ab", 1, "A text has no beginning here, since all texts of a request are searched as"),
        (r"ab$", 3, "A text has no end here, since all texts of a request are searched as one."),
        (r"(ab", 1, "This group has no end."),
        (r"ab)", 3, "There is no group that this ends."),
        (r"[ab", 1, "This class has no end."),
        (r"[]", 1, "This class is empty."),
        (r"[a-\d]", 2, "A range ends with one character."),
        (r"[\d-a]", 4, "A range begins with one character."),
        (r"[z-a]", 2, "A range goes upwards, over at most 30000 characters."),
        (r"[[:alpha:]]", 2, "A class holds no other class."),
        (r"[a&&b]", 3, "A class holds no other class."),
        (r"[\b]", 2, "A border is no character."),
        (r"*a", 1, "There is nothing to repeat before '*'."),
        (r"a]", 2, "There is nothing that ']' ends."),
        (r"\b{2}", 1, "The border of a word cannot be repeated."),
        ("a\x00b", 2, "Control and unassigned characters cannot be searched for."),
        ("a\ud800", 2, "Control and unassigned characters cannot be searched for."),
        ("(" * 17 + "a" + ")" * 17, 17, "The groups are nested too deeply."),
        ("(a{100}){2}", 11, "With its repetitions written out, the pattern has more than 128"),
        ("((|){100}){100}", 15, "With its repetitions written out, the pattern has more than 128"),
        ("a" * 501, 501, "The pattern is longer than 500 characters."),
    ],
)
def test_what_is_not_of_the_dialect_is_refused_with_its_place(
    pattern: str, position: int, sentence: str
) -> None:
    with pytest.raises(PatternError) as caught:
        read_pattern(pattern)
    assert caught.value.position == position
    assert caught.value.sentence.startswith(sentence)
    assert caught.value.advice.endswith((".", "example."))


def test_a_class_that_holds_no_character_is_refused() -> None:
    tree = read_pattern(r"ab[^\d\D]")
    with pytest.raises(PatternError) as caught:
        Program(tree, Alphabet(sets_of([tree])))
    assert caught.value.position == 3


# A fragment of the dialect that `re` reads in the same way, over ASCII.
_LEAVES = st.sampled_from(["a", "b", "1", " ", r"\d", r"\w", ".", "[ab]", "[^a]", r"\b", r"\s"])


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda items: f"(?:{'|'.join(items)})"),
        st.tuples(inner, st.sampled_from(["?", "{2}", "{1,3}", "{0,2}"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    )


@settings(max_examples=300, deadline=None)
@given(
    pattern=st.recursive(_LEAVES, _grow, max_leaves=8),
    text=st.text(alphabet="ab1 .\n", max_size=12),
)
def test_a_pattern_means_what_it_means_to_re(pattern: str, text: str) -> None:
    assume(r"(?:\b)" not in pattern)
    tree = read_pattern(pattern)
    assume(tree.least > 0)
    found_first = found(pattern, text)[:1]
    assert found_first == [text[start:stop] for start, stop in _leftmost_longest(pattern, text)]


def _leftmost_longest(pattern: str, text: str) -> list[tuple[int, int]]:
    for start in range(len(text)):
        for stop in range(len(text), start, -1):
            ends_here = rf"(?=[\s\S]{{{len(text) - stop}}}\Z)"
            if re.compile(f"(?:{pattern}){ends_here}", re.ASCII).match(text, start):
                return [(start, stop)]
    return []


def test_no_pattern_consumes_more_than_its_limit() -> None:
    assert len(found(f"a{{1,{MAX_SIZE}}}", "a" * 1000)[0]) == MAX_SIZE
    assert MAX_LENGTH >= MAX_SIZE
