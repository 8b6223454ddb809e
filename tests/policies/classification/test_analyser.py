"""Properties of the analyser as a whole."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from policies.classification.analyser import Analyser
from policies.classification.findings import Analysis, Finding
from policies.classification.locate import HyperscanLocator, RegexLocator, TooManyHits
from policies.classification.plan import PLAN
from policies.classification.recognizers import DATA_CLASSES, DETECTED_CATEGORIES
from policies.classification.spans import Trigger
from policies.classification.word_lists import WordList

CORPUS = [
    json.loads(line)["text"]
    for line in Path(__file__).with_name("corpus.jsonl").read_text(encoding="utf-8").splitlines()
]
PIECES = [
    *("123-45-6789", "4111 1111 1111 1111", "maria.huber@example.org", "AKIAIOSFODNN7EXAMPLE"),
    *("DE89 3704 0044 0532 0130 00", "192.168.1.10", "def f(): pass", "MTIzLTQ1LTY3ODk="),
    *("%31%32%33-45-6789", "1\u200b23-45-6789", "mrn", "12345678", "\ud800", "\x00", "\x1e"),
    *("sk-ant-api03-Ab12Cd34Ef56", "P<UTO", "::", "&#64;", "\\u0040", "¼", "é", "０", "\n", " "),  # noqa: RUF001
]
TEXT = st.one_of(
    st.text(st.characters(codec=None), max_size=60),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=8).map("".join),
)
MANY = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def keys(analysis: Analysis) -> list[tuple[int, str, int, int]]:
    return sorted((f.field, f.data_class, f.start, f.end) for f in analysis.findings)


def test_a_clean_request_gives_nothing(analyser: Analyser) -> None:
    assert analyser.analyse([]) == Analysis()
    assert analyser.analyse(["", "hello", "0.7"]) == Analysis()


def test_a_finding_says_where_and_what_and_never_the_text(analyser: Analyser) -> None:
    analysis = analyser.analyse(["role", "user", "content", "I am maria@example.org."])
    assert analysis.findings == (
        Finding("EMAIL_ADDRESS", "personal", 5, 22, 0.95, "contact.email", 3),
    )


def test_every_class_has_a_category_that_is_detected() -> None:
    assert DATA_CLASSES["US_SSN"] == "personal"
    assert DATA_CLASSES["IBAN"] == DATA_CLASSES["PAYMENT_CARD"] == "payment"
    assert DATA_CLASSES["MEDICAL_RECORD_NUMBER"] == "health"
    assert DATA_CLASSES["PRIVATE_KEY"] == DATA_CLASSES["AWS_ACCESS_KEY"] == "secret"
    assert DATA_CLASSES["SOURCE_CODE"] == "code"
    assert {"personal", "payment", "health", "secret", "code"} == DETECTED_CATEGORIES


@pytest.mark.parametrize("number", range(len(CORPUS)))
def test_with_and_without_hyperscan_the_findings_are_the_same(
    analyser: Analyser, plain_analyser: Analyser, number: int
) -> None:
    texts = [CORPUS[number], CORPUS[number - 1], "end"]
    assert analyser.analyse(texts) == plain_analyser.analyse(texts)


@MANY
@given(st.lists(TEXT, max_size=5))
@example(["\ud800\udc00", "\udfff 123-45-6789"])
@example(["\x00", "\x1e\x1e"])
def test_no_text_fails_and_every_offset_lies_within_its_text(
    analyser: Analyser, texts: list[str]
) -> None:
    analysis = analyser.analyse(texts)
    assert "scan_failed" not in analysis.opaque
    for finding in analysis.findings:
        assert 0 <= finding.start < finding.end <= len(texts[finding.field])
        assert DATA_CLASSES[finding.data_class] == finding.category


@MANY
@given(st.lists(TEXT, max_size=4))
def test_no_text_tells_the_two_locators_apart(
    analyser: Analyser, plain_analyser: Analyser, texts: list[str]
) -> None:
    assert keys(analyser.analyse(texts)) == keys(plain_analyser.analyse(texts))


@MANY
@given(TEXT)
def test_a_finding_read_alone_is_found_again(analyser: Analyser, text: str) -> None:
    """Offsets point at what was matched: cut out, it still is what it was."""
    alone = {"US_SSN", "PAYMENT_CARD", "IBAN", "EMAIL_ADDRESS", "AWS_ACCESS_KEY"}
    for finding in analyser.analyse([text]).findings:
        if finding.data_class in alone:
            cut = analyser.analyse([text[finding.start : finding.end]])
            assert finding.data_class in {f.data_class for f in cut.findings}


@MANY
@given(TEXT, st.lists(TEXT, max_size=2), st.lists(TEXT, max_size=2))
def test_neighbours_never_hide_a_finding(
    analyser: Analyser, text: str, earlier: list[str], later: list[str]
) -> None:
    alone = analyser.analyse([text])
    among = analyser.analyse([*earlier, text, *later])
    place = len(earlier)
    there = {(f.data_class, f.start) for f in among.findings if f.field == place}
    # A number may turn out to be something surer; it is never nothing.
    for finding in alone.findings:
        assert (finding.data_class, finding.start) in there or any(
            f.field == place and f.start <= finding.start < f.end for f in among.findings
        )
    assert alone.opaque <= among.opaque


@pytest.mark.parametrize("size", [1, 7, 63, 64, 65_535, 65_536, 65_537, 131_072])
def test_a_long_text_hides_nothing_at_any_place(analyser: Analyser, size: int) -> None:
    filler = "lorem 99 "
    head = (filler * (size // len(filler) + 1))[:size]
    text = f"{head} 123-45-6789 {head}"
    assert [(f.start, f.end) for f in analyser.analyse([text]).findings] == [(size + 1, size + 12)]


class Steps:
    """A clock that counts how often it is read, and may run out."""

    def __init__(self, seconds_per_reading: float = 0.0) -> None:
        self.readings = 0
        self.pace = seconds_per_reading

    def __call__(self) -> float:
        self.readings += 1
        return self.readings * self.pace


def test_a_scan_over_its_budget_is_opaque() -> None:
    impatient = Analyser(budget_s=1.0, clock=Steps(0.4))
    assert impatient.analyse(["nothing here"]) == Analysis()
    text = "123-45-6789, maria@example.org and 4111 1111 1111 1111"
    assert impatient.analyse([text]).opaque == {"scan_budget"}


def test_too_many_matches_are_over_the_budget(analyser: Analyser) -> None:
    assert analyser.analyse(["1 1 " * 250_000]).opaque == {"scan_budget"}


@pytest.mark.parametrize("make", [HyperscanLocator, RegexLocator])
def test_a_locator_stops_at_too_many_hits(make: type[HyperscanLocator | RegexLocator]) -> None:
    locator = make([Trigger("a")])
    assert locator.locate(b"ba") == [(0, 2)]
    with pytest.raises(TooManyHits):
        locator.locate(b"a" * 400_001)


def test_a_scan_that_fails_is_opaque() -> None:
    def broken() -> float:
        raise OSError("no clock")

    assert Analyser(clock=broken).analyse(["x"]).opaque == {"scan_failed"}


ALMOST = {
    "digits": "123456789 ",
    "dashes": "123-45-678-",
    "zeroes": "0123 4567 ",
    "plus": "+1 2 3 4 ",
    "addresses": "a@a.a@",
    "at dot": " at aaa dot ",
    "iban": "DE8937040044053201300",
    "hex": "aa:bb:cc::",
    "dots": "1.2.3.",
    "mrz": "P<UTO<<<",
    "letters": "ABCDEF12A34B567C",
    "base64": "QUJDREVGR0hJSktMTU5P ",
    "percent": "%4",
    "entities": "&#4",
    "backslashes": "\\u00",
    "url": "a://b:c",
    "password": 'password="',
    "mrn": "mrn number no ",
    "key": "sk-ant-aaaaaaa ",
    "jwt": "eyJhbGciOiJI.",
    "pem": "-----BEGIN RSA PRIVATE KEY",
    "code": "def f",
    "select": "select a from ",
    "codes": "65 66 67 ",
    "zero width": "1\u200b",
}


def count_steps(analyser: Analyser, text: str) -> int:
    """How many lines of Python one analysis runs: work that no other process disturbs."""
    steps = 0

    def tracer(_frame: object, event: str, _argument: object) -> object:
        nonlocal steps
        steps += event == "line"
        return tracer

    import sys  # noqa: PLC0415 only here

    previous = sys.gettrace()
    sys.settrace(tracer)  # type: ignore[arg-type]
    try:
        analyser.analyse([text])
    finally:
        sys.settrace(previous)
    return steps


@pytest.mark.parametrize("kind", ALMOST)
def test_work_grows_no_faster_than_the_text(analyser: Analyser, kind: str) -> None:
    piece = ALMOST[kind]
    small = count_steps(analyser, piece * (2_000 // len(piece)))
    large = count_steps(analyser, piece * (8_000 // len(piece)))
    assert large <= 4.6 * small + 2_000


def test_several_threads_share_one_analyser(analyser: Analyser) -> None:
    expected = [keys(analyser.analyse([text])) for text in CORPUS[:40]]
    wrong: list[int] = []

    def work() -> None:
        for number, text in enumerate(CORPUS[:40]):
            if keys(analyser.analyse([text])) != expected[number]:
                wrong.append(number)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.fixture(scope="module", params=[True, False], ids=["hyperscan", "re"])
def listed(request: pytest.FixtureRequest) -> Iterator[Analyser]:
    lists = (
        WordList("project names", "legal", ("Blue Heron", "Zürich-7", "k2", "C++")),
        WordList("customers", "customer", ("Müller & Söhne", "東京商事", "ÅNGSTRÖM")),
    )
    yield Analyser(lists, budget_s=60, use_hyperscan=request.param)


@pytest.mark.parametrize(
    ("text", "data_class", "word"),
    [
        ("we call it Blue Heron.", "PROJECT_NAMES", "Blue Heron"),
        ("BLUE\n  HERON", "PROJECT_NAMES", "BLUE\n  HERON"),
        ("Blue\u00a0Heron", "PROJECT_NAMES", "Blue\u00a0Heron"),
        ("zürich-7", "PROJECT_NAMES", "zürich-7"),
        ("Zu\u0308rich-7", "PROJECT_NAMES", "Zu\u0308rich-7"),
        ("in C++, today", "PROJECT_NAMES", "C++"),
        ("bei MÜLLER & SÖHNE", "CUSTOMERS", "MÜLLER & SÖHNE"),
        ("M&uuml;ller &amp; S&ouml;hne", "CUSTOMERS", "M&uuml;ller &amp; S&ouml;hne"),
        ("昨日東京商事に行った", "CUSTOMERS", "東京商事"),
        ("ångström", "CUSTOMERS", "ångström"),
        ("Blue%20Heron", "PROJECT_NAMES", "Blue%20Heron"),
    ],
)
def test_a_word_of_a_list_is_found_however_it_is_written(
    listed: Analyser, text: str, data_class: str, word: str
) -> None:
    findings = listed.analyse(["x", text]).findings
    assert [(f.data_class, text[f.start : f.end]) for f in findings] == [(data_class, word)]
    assert findings[0].category == {"PROJECT_NAMES": "legal", "CUSTOMERS": "customer"}[data_class]


@pytest.mark.parametrize("text", ["BlueHeron", "Blue Herons", "k23", "xk2", "Blue", "東京"])
def test_a_part_of_a_word_is_not_the_word(listed: Analyser, text: str) -> None:
    assert listed.analyse([text]) == Analysis()


def test_lists_and_shipped_recognizers_work_together(listed: Analyser) -> None:
    found = listed.analyse(["Blue Heron", "mail a@b.de"]).findings
    assert [f.data_class for f in found] == ["PROJECT_NAMES", "EMAIL_ADDRESS"]


def test_a_list_cannot_change_what_a_shipped_class_means() -> None:
    sneaky = Analyser((WordList("us ssn", "code", ("x y z",)),))
    finding = sneaky.analyse(["123-45-6789"]).findings[0]
    assert (finding.data_class, finding.category) == ("US_SSN", "personal")


def test_each_trigger_fires_by_both_locators_on_the_corpus() -> None:
    """The dialects agree: every trigger that one sees in the corpus, the other sees too."""
    data = "\n".join(CORPUS).encode("latin-1", "replace")
    fast = {index for index, _ in HyperscanLocator(PLAN.triggers).locate(data)}
    plain = {index for index, _ in RegexLocator(PLAN.triggers).locate(data)}
    assert fast == plain
    assert len(fast) > 60
