"""A thousand patterns that were written to hurt: refused, or searched for in linear work."""

import pytest

from bench.hostile_patterns import COUNT, compiled, hostile_patterns, hostile_texts
from policies.classification.analyser import Analyser
from policies.classification.custom_checks import check_recognizer
from policies.classification.custom_patterns import CustomRecognizer
from policies.classification.locate import TooManyHits
from policies.classification.pattern_program import (
    MAX_PROGRAM,
    Alphabet,
    Meter,
    Program,
    require_few_states,
    sets_of,
)
from policies.classification.pattern_states import MAX_STATES, count_states
from policies.classification.pattern_syntax import MAX_SIZE, read_pattern
from policies.classification.pattern_tree import PatternError, kind_of

LENGTH = 20_000
# Characters looked at per character of the text, by the pattern that looks again the most.
MOST_LOOKS = 9


def spent(source: str, text: str) -> int:
    found = compiled(source, ignore_case=False)
    assert found is not None
    alphabet, program = found
    meter = Meter()
    for _ in program.find(alphabet.encode(text), meter, lambda _start, _end: True):
        pass
    return meter.looked_at


def test_each_of_a_thousand_is_refused_or_takes_linear_work() -> None:
    texts = hostile_texts(LENGTH)
    accepted = given_up = 0
    for source, ignore_case in hostile_patterns():
        found = compiled(source, ignore_case=ignore_case)
        if found is None:
            continue
        accepted += 1
        alphabet, program = found
        assert program.size <= MAX_PROGRAM
        for text in texts.values():
            meter = Meter()
            try:
                for _ in program.find(alphabet.encode(text), meter, lambda _start, _end: True):
                    pass
            except TooManyHits:
                given_up += 1
            assert meter.looked_at <= MOST_LOOKS * LENGTH + 70_000, source
    # The set has both kinds in it, and most of what is accepted can be searched for to the end.
    assert accepted >= COUNT // 5
    assert COUNT - accepted >= COUNT // 5
    assert given_up < accepted


@pytest.mark.parametrize(
    "source", ["aa(?:.{0,20}c)?", r"\b\w{2,20}\b", "(?:a?){64}a{60}", r"[a-z]{3} \d ?"]
)
def test_twice_the_text_is_twice_the_work(source: str) -> None:
    text = "aab 1 " * 500
    assert spent(source, text * 2) <= 2 * spent(source, text) + 2 * MAX_SIZE


@pytest.mark.parametrize(
    "source", ["(?:ab?.{0,20}){5}", "a[ab]{30}c", r"customer.{0,40}\d{6}", "(?:.{0,9}[ab]){9}c"]
)
def test_a_pattern_of_too_many_states_is_refused(source: str) -> None:
    with pytest.raises(PatternError, match="states"):
        require_few_states(read_pattern(source))


@pytest.mark.parametrize(
    ("source", "states"),
    [
        ("ab", 4),  # nothing, a, ab, and the end of the match after anything else
        (r"[A-Za-z0-9_-]{32,64}", 130),
        (r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b", 217),
        (r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", 38),
    ],
)
def test_the_patterns_that_people_write_have_few_states(source: str, states: int) -> None:
    tree = read_pattern(source)
    symbols = [(code, kind_of(chr(code))) for code in range(128)]
    assert count_states(tree, symbols) == pytest.approx(states, abs=2)
    assert states < MAX_STATES / 4


def test_a_text_that_matches_everywhere_counts_as_unread_not_as_clean() -> None:
    item = CustomRecognizer(name="pairs", category="code", patterns=("ab",), must_match=("ab",))
    analyser = Analyser(custom=(item,), budget_s=60)
    assert analyser.analyse(["ab" * 30_000]).opaque == {"scan_budget"}
    assert not analyser.analyse(["ab " * 300]).opaque


def test_a_search_that_would_look_again_too_often_is_given_up() -> None:
    tree = read_pattern("aa(?:.{0,120}b)?")
    alphabet = Alphabet(sets_of([tree]))
    program = Program(tree, alphabet)
    text = alphabet.encode("a" * 38_000)
    with pytest.raises(TooManyHits):
        for _ in program.find(text, Meter(), lambda _start, _end: True):
            pass


def test_every_hostile_pattern_gets_its_sentence_when_it_is_saved() -> None:
    for source, ignore_case in hostile_patterns():
        item = CustomRecognizer(
            name="hostile",
            category="code",
            patterns=(source,),
            ignore_case=ignore_case,
            must_match=("KD-123456",),
        )
        problems = check_recognizer(item)
        # None of them finds the example.
        assert problems, source
        assert all(p.field and p.sentence.endswith((".", "…”", "”")) and p.advice for p in problems)
