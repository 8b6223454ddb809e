"""Masking: what comes out, and what is remembered."""

import pytest

from policies.classification.analyser import Analyser
from policies.classification.masking import Masking, Replacement
from policies.classification.placeholders import FORM, keyed_hash, placeholder
from policies.classification.recognizers import DATA_CLASSES
from policies.classification.restoring import Restorer

KEY = bytes(range(32))


def test_a_masked_text_is_restored_exactly() -> None:
    text = "mail maria@example.org and maria@example.org"
    masking = Masking(KEY)
    masked = masking.apply(
        text,
        [
            Replacement(27, 44, "EMAIL_ADDRESS", "placeholder"),
            Replacement(5, 22, "EMAIL_ADDRESS", "placeholder"),
        ],
    )
    assert "maria" not in masked
    assert masking.count == 2
    assert len(masking.minted) == 1
    assert Restorer(masking.minted).restore(masked) == text


@pytest.mark.parametrize("modes", ["pp", "rr", "rp", "pr", "hr", "rh"])
@pytest.mark.parametrize(
    "text", ["ab12cd34ef", "12 34", "a 12 34 b", "12. 34.", "a12 34", "12ab34"]
)
def test_it_says_where_each_replacement_stands(text: str, modes: str) -> None:
    words = {"p": "placeholder", "r": "remove", "h": "hash"}
    masking = Masking(KEY)
    masked = masking.apply(
        text,
        [
            Replacement(text.index(value), text.index(value) + 2, "PIN", words[mode])
            for value, mode in zip(("12", "34"), modes, strict=True)
        ],
    )
    for each, mode in zip(masking.placed, modes, strict=True):
        there = masked[each.start : each.end]
        assert (there == "") if mode == "r" else there.startswith({"p": "X", "h": "Z"}[mode])
    rest = masked
    for each in reversed(masking.placed):
        rest = rest[: each.start] + rest[each.end :]
    assert rest.replace(" ", "") == text.replace("12", "").replace("34", "").replace(" ", "")


def word(value: str, *, mode: str = "placeholder", key: bytes = KEY) -> str:
    """What stands for a value that is the whole text."""
    return Masking(key).apply(value, [Replacement(0, len(value), "EMAIL_ADDRESS", mode)])


def test_fifty_thousand_values_have_words_of_their_own() -> None:
    values = [f"m{number}@clinic.example" for number in range(50_000)]
    assert len({placeholder(KEY, "EMAIL_ADDRESS", value) for value in values}) == len(values)
    assert len({keyed_hash(KEY, "EMAIL_ADDRESS", value) for value in values}) == len(values)


def test_a_word_is_letters_alone_and_has_the_form_that_is_looked_for() -> None:
    made = word("maria@example.org")
    assert made.isascii()
    assert made.isalpha()
    assert FORM.fullmatch(made)
    assert not FORM.search(word("maria@example.org", mode="hash"))


def test_the_same_value_has_the_same_word_under_one_key_and_another_under_another() -> None:
    assert word("maria@example.org") == word("maria@example.org")
    assert word("maria@example.org") != word("maria@example.org", key=bytes([7]) * 32)


def test_a_word_that_the_request_holds_already_is_not_made_again() -> None:
    taken = word("maria@example.org")
    masking = Masking(KEY)
    text = f"{taken} and maria@example.org"
    start = len(text) - len("maria@example.org")
    masked = masking.apply(text, [Replacement(start, len(text), "EMAIL_ADDRESS", "placeholder")])
    assert masked.startswith(taken)
    assert masked.count(taken) == 1
    # What the caller wrote stays what the caller wrote.
    assert Restorer(masking.minted).restore(masked) == text


def test_what_another_request_minted_is_counted_and_never_put_back() -> None:
    masking = Masking(KEY)
    masking.apply("a@example.org", [Replacement(0, 13, "EMAIL_ADDRESS", "placeholder")])
    foreign = word("maria@example.org")
    restorer = Restorer(masking.minted)
    assert restorer.restore(f"ask {foreign}") == f"ask {foreign}"
    assert (restorer.restored, restorer.left) == (0, 1)


@pytest.mark.parametrize(
    "around",
    [
        "write to {} please",
        "password: {}",
        "IBAN {} SSN {} patient id: {} phone {}",
        '{{"key": "{}"}}',
        "https://files.example/{}",
        "def f(): return '{}'",
    ],
)
def test_no_recognizer_takes_a_word_for_a_value_whatever_stands_around_it(around: str) -> None:
    analyser = Analyser(budget_s=60)
    words = [
        make(KEY, data_class, f"value {number}")
        for data_class in DATA_CLASSES
        for number in range(10)
        for make in (placeholder, keyed_hash)
    ]
    holes = around.count("{}")
    analysis = analyser.analyse([around.format(*[each] * holes) for each in words])
    assert {each.data_class for each in analysis.findings} <= {"SOURCE_CODE"}
    assert not analysis.opaque


@pytest.mark.parametrize("value", ["term", "Term", "ERMZ", "tokenz"])
def test_a_word_never_repeats_its_value(value: str) -> None:
    for data_class in ("LAYOFFS", "GITHUB_TOKEN"):
        for make in (placeholder, keyed_hash):
            assert value.lower() not in make(KEY, data_class, value).lower()
