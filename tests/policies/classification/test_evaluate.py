"""The evaluation and the command around it."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from policies.classification.analyser import Analyser
from policies.classification.evaluate import Example, Marked, evaluate, read_examples, report
from policies.classification.findings import Analysis, Finding
from policies.engine.labels import Taxonomy
from policies.management.commands.recognizers import evaluate_file, scan_lines, scan_stream

CORPUS = Path(__file__).with_name("corpus.jsonl")
ROOT = Path(__file__).parents[3]


def ticks() -> float:
    ticks.now += 1.0  # type: ignore[attr-defined]
    return ticks.now  # type: ignore[attr-defined,no-any-return]


ticks.now = 0.0  # type: ignore[attr-defined]


def test_nothing_of_the_corpus_leaks_and_little_is_over_routed(analyser: Analyser) -> None:
    examples, errors = read_examples(CORPUS.read_text(encoding="utf-8").splitlines())
    assert not errors
    assert len(examples) >= 120
    outcome = evaluate(examples, analyser, ticks)
    assert outcome.leaks == ()
    assert outcome.ordinary >= len(examples) / 2
    assert outcome.over_routing <= 0.01
    for score in outcome.classes:
        assert score.recall is None or score.recall == 1.0, score
        assert score.precision == 1.0, score


class Fixed:
    """Answers prepared beforehand."""

    def __init__(self, answers: dict[str, Analysis]) -> None:
        self.answers = answers

    def analyse(self, texts: list[str]) -> Analysis:
        return self.answers[texts[0]]


def finding(data_class: str, start: int, end: int) -> Finding:
    return Finding(data_class, "personal", start, end, 1.0, "test")


def test_leak_over_routing_precision_and_recall_are_counted() -> None:
    examples = [
        Example("hit!", (Marked("A", 0, 3),), 1),
        Example("miss", (Marked("A", 0, 3),), 2),
        Example("part", (Marked("A", 0, 2), Marked("B", 2, 4)), 3),
        Example("fine", (), 4),
        Example("over", (), 5),
        Example("dark", (), 6),
    ]
    fixed = Fixed(
        {
            "hit!": Analysis((finding("A", 1, 4),)),
            "miss": Analysis(),
            "part": Analysis((finding("B", 3, 4), finding("A", 3, 4))),
            "fine": Analysis(),
            "over": Analysis((finding("A", 0, 1),)),
            "dark": Analysis(opaque=frozenset({"encoded_text"})),
        }
    )
    outcome = evaluate(examples, fixed, ticks)
    assert (outcome.sensitive, outcome.ordinary) == (3, 3)
    assert outcome.leaks == (2,)
    assert outcome.over_routed == (5, 6)
    assert outcome.routing_leak == pytest.approx(1 / 3)
    a, b = outcome.classes
    assert a.precision == pytest.approx(1 / 3)
    assert a.recall == pytest.approx(1 / 3)
    assert (b.precision, b.recall) == (1.0, 1.0)
    assert outcome.megabytes_per_s == pytest.approx(24 / 1e6)
    printed = report(outcome)
    assert "routing leak" in printed
    assert "33.33%" in printed


def test_bad_lines_are_named_without_their_content() -> None:
    lines = [
        '{"text": "secret-1", "findings": []}',
        "secret-2",
        '["secret-3"]',
        '{"text": 5}',
        '{"text": "abc", "findings": {}}',
        '{"text": "abc", "findings": [{"class": "A", "start": 0, "end": 9}]}',
        '{"text": "abc", "findings": [{"class": "A", "start": 0}]}',
        '{"text": "abc", "findings": [7]}',
        "",
    ]
    examples, errors = read_examples(lines)
    assert len(examples) == 1
    assert [error.split(":")[0] for error in errors] == [f"line {n}" for n in range(2, 9)]
    assert "secret" not in "".join(errors)


def test_scan_answers_each_line_with_findings_and_label(analyser: Analyser) -> None:
    lines = [
        '{"id": "a", "text": "card 4111 1111 1111 1111"}\n',
        '{"id": 2, "text": "hello"}\n',
        '{"id": null, "text": "mrn 12345678 and def f(): pass"}\n',
    ]
    answers = [json.loads(answer) for answer, _ in scan_lines(lines, analyser, Taxonomy())]
    assert answers[0] == {
        "id": "a",
        "findings": [
            {
                "class": "PAYMENT_CARD",
                "category": "payment",
                "start": 5,
                "end": 24,
                "score": 0.95,
                "recognizer": "bank.payment_card",
            }
        ],
        "sensitivity": "confidential",
        "categories": ["payment"],
        "opaque": [],
    }
    assert (answers[1]["sensitivity"], answers[1]["categories"]) == ("public", [])
    assert (answers[2]["sensitivity"], answers[2]["categories"]) == (
        "restricted",
        ["code", "health"],
    )


def test_opaque_text_is_restricted_and_of_every_category() -> None:
    dark = Fixed({"x": Analysis(opaque=frozenset({"scan_failed"}))})
    answer = json.loads(next(scan_lines(['{"text": "x"}'], dark, Taxonomy()))[0])
    assert answer["sensitivity"] == "restricted"
    assert answer["categories"] == sorted(Taxonomy().minimums)
    assert answer["opaque"] == ["scan_failed"]


def test_a_bad_line_gives_exit_code_2_and_the_others_their_answers() -> None:
    out, err = io.StringIO(), io.StringIO()
    lines = [
        '{"id": 1, "text": "a@b.de"}\n',
        "nonsense-7\n",
        '{"id": 3}\n',
        '{"id": 4, "text": ""}\n',
    ]
    assert scan_stream(lines, out, err) == 2
    assert [json.loads(line)["id"] for line in out.getvalue().splitlines()] == [1, 4]
    assert err.getvalue() == "line 2: not valid JSON\nline 3: `text` must be a string\n"


def test_scan_answers_a_line_before_the_next_one_comes() -> None:
    out = io.StringIO()
    seen: list[int] = []

    def typed() -> object:
        for number in range(3):
            seen.append(len(out.getvalue().splitlines()))
            yield json.dumps({"id": number, "text": "hello"})

    assert scan_stream(typed(), out, io.StringIO()) == 0  # type: ignore[arg-type]
    assert seen == [0, 1, 2]


def test_evaluate_prints_a_table_for_a_file(tmp_path: Path) -> None:
    out, err = io.StringIO(), io.StringIO()
    assert evaluate_file(CORPUS, out, err) == 0
    assert "routing leak       0.00%" in out.getvalue()
    assert "EMAIL_ADDRESS" in out.getvalue()
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    assert evaluate_file(empty, out, err) == 2


def test_the_command_runs_from_the_shell(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "recognizers", "scan"],
        cwd=ROOT,
        input='{"id": 1, "text": "ssn 123-45-6789"}\n\xff\n'.encode("latin-1"),
        env={"PATH": "/usr/bin:/bin", "SLUICE_VAR": str(tmp_path)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr.decode()
    assert json.loads(done.stdout)["categories"] == ["personal"]
    assert done.stderr.decode() == "line 2: not valid JSON\n"
