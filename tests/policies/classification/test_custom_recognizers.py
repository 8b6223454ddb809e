"""Recognizers that admins define: what they find in requests, and what is checked when saved."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from policies.classification.analyser import Analyser
from policies.classification.custom_checks import check_recognizer
from policies.classification.custom_patterns import CHECKSUMS, CustomRecognizer
from policies.classification.ordinary_text import ORDINARY_LINES
from policies.classification.word_lists import WordList

CUSTOMER = CustomRecognizer(
    name="customer-number",
    category="personal",
    patterns=(r"\bKD-\d{4,8}\b", r"\bKunde \d{6}\b"),
    must_match=("my number is KD-123456.",),
    must_not_match=("KD-1 is no number",),
)
MATTER = CustomRecognizer(
    name="matter",
    category="legal",
    patterns=(r"\b\d{4}/\d{2}\b",),
    context=("matter", "Aktenzeichen", "file no"),
    must_match=("matter 1234/26",),
    must_not_match=("1234/26",),
)
BADGE = CustomRecognizer(
    name="badge",
    category="personal",
    patterns=(r"\bb\d{7}\b",),
    checksum="luhn",
    ignore_case=True,
    score=1.0,
    must_match=("B1234566",),
    must_not_match=("B1234567",),
)
ALL = (CUSTOMER, MATTER, BADGE)


@pytest.fixture(scope="module", params=[True, False], ids=["hyperscan", "re"])
def analyser(request: pytest.FixtureRequest) -> Iterator[Analyser]:
    yield Analyser(custom=ALL, budget_s=60, use_hyperscan=request.param)


def found(analyser: Analyser, texts: Sequence[str]) -> list[tuple[str, str]]:
    findings = analyser.analyse(list(texts)).findings
    return [(each.data_class, texts[each.field][each.start : each.end]) for each in findings]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["see KD-1234 and Kunde 123456"], ["KD-1234", "Kunde 123456"]),
        (["KD-123"], []),
        (["KD-\uff11\uff12\uff13\uff14"], ["KD-\uff11\uff12\uff13\uff14"]),  # full-width digits
        (["K\u200bD-1234"], ["K\u200bD-1234"]),
        (["KD%2D1234"], ["KD%2D1234"]),
        (["S0QtMTIzNDU2"], ["S0QtMTIzNDU2"]),  # base64
        (["KD-", "1234"], []),
        (["in matter 1234/26"], ["1234/26"]),
        (["1234/26, Aktenzeichen"], ["1234/26"]),
        (["AKTENZEICHEN: 1234/26"], ["1234/26"]),
        (["file_no", "1234/26"], ["1234/26"]),
        (["aktenzeichens 1234/26"], []),
        (["matter" + "." * 70 + " 1234/26"], []),
        (["matter 1234/26", "x" * 80, "1234/26"], ["1234/26"]),
        (["B1234566 and b1234566"], ["B1234566", "b1234566"]),
        (["B1234567"], []),
    ],
)
def test_a_custom_recognizer_finds_its_class_however_it_is_written(
    analyser: Analyser, texts: list[str], expected: list[str]
) -> None:
    assert [text for _, text in found(analyser, texts)] == expected


def test_shipped_classes_are_found_beside_them(analyser: Analyser) -> None:
    assert found(analyser, ["KD-1234 a@b.de"]) == [
        ("CUSTOMER_NUMBER", "KD-1234"),
        ("EMAIL_ADDRESS", "a@b.de"),
    ]
    assert analyser.data_classes["CUSTOMER_NUMBER"] == "personal"
    assert analyser.data_classes["MATTER"] == "legal"
    assert analyser.data_classes["EMAIL_ADDRESS"] == "personal"


def test_a_clean_text_is_clean(analyser: Analyser) -> None:
    for line in ORDINARY_LINES:
        assert not [f for f in analyser.analyse([line]).findings if f.recognizer == "own"]


def test_a_custom_recognizer_never_explains_a_shipped_finding_away() -> None:
    phone = ["call +49 30 1234 5678 now"]
    item = replace(CUSTOMER, category="code", patterns=(r"\+49 \d{2} \d{4} \d{4}",), score=1.0)
    words = WordList("numbers", "code", ("+49 30 1234 5678",))
    for analyser in (Analyser(custom=(item,)), Analyser((words,))):
        assert "PHONE_NUMBER" in {name for name, _ in found(analyser, phone)}


def test_a_custom_recognizer_cannot_change_what_a_shipped_class_means() -> None:
    sneaky = Analyser(custom=(replace(CUSTOMER, name="us-ssn", category="code"),))
    finding = sneaky.analyse(["123-45-6789"]).findings[0]
    assert (finding.data_class, finding.category) == ("US_SSN", "personal")


def test_many_scripts_at_once_need_more_than_one_alphabet() -> None:
    letters = "".join(chr(code) for code in range(0x3041, 0x3041 + 80))
    first = replace(CUSTOMER, name="first", patterns=(f"{letters[:60]}",))
    second = replace(CUSTOMER, name="second", patterns=(f"{letters[20:]}",))
    third = replace(CUSTOMER, name="third", patterns=("".join(map(chr, range(0x400, 0x43C))),))
    analyser = Analyser(custom=(first, second, third))
    text = f"{letters} {''.join(map(chr, range(0x400, 0x43C)))}"
    assert {name for name, _ in found(analyser, [text])} == {"FIRST", "SECOND", "THIRD"}


def test_good_ones_have_no_problems() -> None:
    assert [check_recognizer(item) for item in ALL] == [[], [], []]


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"name": "Customer"}, "/name", "A name has lower-case letters"),
        ({"name": "email-address"}, "/name", "The data class EMAIL_ADDRESS exists already."),
        ({"name": "taken"}, "/name", "The data class TAKEN exists already."),
        ({"checksum": "crc"}, "/checksum", "This checksum is not known."),
        ({"score": 0.0}, "/score", "A score is above 0 and at most 1."),
        ({"patterns": ()}, "/patterns", "This needs 1 to 10 entries."),
        ({"patterns": ("KD-12345",) * 11}, "/patterns", "This needs 1 to 10 entries."),
        ({"patterns": (r"KD-\d{4}", r"K\d+")}, "/patterns/1", "At character 4: '+' has no end"),
        ({"patterns": (r"(?:KD)?",)}, "/patterns/0", "The pattern matches the empty text."),
        ({"patterns": (r"K|KD",)}, "/patterns/0", "The pattern matches a single character."),
        ({"patterns": (r"\w{5,9}",)}, "/patterns", "It finds something in 1"),
        ({"patterns": (r"\d{4}",)}, "/patterns", "It finds something in "),
        ({"context": ("-",)}, "/context/0", "A word of context has letters or digits"),
        ({"context": ("x" * 41,)}, "/context/0", "A word of context has letters or digits"),
        ({"context": ("a",) * 51}, "/context", "This needs 0 to 50 entries."),
        ({"must_match": ()}, "/must_match", "This needs 1 to 100 entries."),
        ({"must_match": (" ",)}, "/must_match/0", "An example is a text of at most"),
        ({"must_match": ("KD-12345", "KD 1")}, "/must_match/1", "This example is not found."),
        ({"must_not_match": ("KD-12345",)}, "/must_not_match/0", "This example is found"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    changes: dict[str, object], field: str, sentence: str
) -> None:
    problems = check_recognizer(replace(CUSTOMER, **changes), taken={"TAKEN"})  # type: ignore[arg-type]
    assert [problem.field for problem in problems][:1] == [field]
    assert problems[0].sentence.startswith(sentence)
    assert problems[0].advice


def test_no_problem_quotes_an_example() -> None:
    item = replace(CUSTOMER, must_match=("no-number-4711",), must_not_match=("KD-471147",))
    text = " ".join(problem.sentence + problem.advice for problem in check_recognizer(item))
    assert "4711" not in text


@pytest.mark.parametrize(
    ("checksum", "good", "bad"),
    [
        ("luhn", "4111-1111-1111-1111", "4111-1111-1111-1112"),
        ("luhn", "\u0661\u0662\u0663\u0664\u0665\u0666\u0666", "1"),  # Arabic digits
        ("iban", "DE89 3704 0044 0532 0130 00", "DE88370400440532013000"),
        ("mod_11_10", "86095742719", "86095742718"),
        ("ean13", "4006381333931", "4006381333932"),
        ("nhs_number", "943 476 5919", "943 476 5918"),
        ("dutch_eleven", "111222333", "111222334"),
    ],
)
def test_each_checksum_holds_for_its_numbers_and_fails_for_others(
    checksum: str, good: str, bad: str
) -> None:
    assert CHECKSUMS[checksum](good)
    assert not CHECKSUMS[checksum](bad)
    assert not CHECKSUMS[checksum]("")
