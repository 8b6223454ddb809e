"""What is checked when a custom recognizer is saved: its patterns, its examples, its breadth."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from policies.classification.analyser import Analyser
from policies.classification.custom_patterns import (
    CHECKSUMS,
    CONTEXT_WORD_LENGTH,
    CustomMatcher,
    CustomRecognizer,
)
from policies.classification.ordinary_text import ORDINARY_LINES
from policies.classification.pattern_program import TooManyCharacters, require_few_states
from policies.classification.pattern_syntax import read_pattern
from policies.classification.pattern_tree import Node, PatternError
from policies.classification.recognizers import DATA_CLASSES
from policies.classification.spans import join

MAX_PATTERNS = 10
MAX_CONTEXT_WORDS = 50
MAX_EXAMPLES = 100
MAX_EXAMPLE_LENGTH = 1000
# Of one owner, the organisation or a project: each costs a search of every text.
MAX_RECOGNIZERS = 50
# A match of fewer characters says nothing about a text.
LEAST_CHARACTERS = 2
# The share of ordinary lines in which it may find something.
ORDINARY_SHARE = 0.01
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class RecognizerProblem:
    """One thing that is wrong. `field` is a JSON pointer within the recognizer: `/patterns/0`."""

    field: str
    sentence: str
    advice: str


def check_recognizer(
    recognizer: CustomRecognizer, *, taken: Collection[str] = ()
) -> list[RecognizerProblem]:
    """Everything that is wrong with it; empty: it may be saved. CPU only, a few milliseconds.

    `taken` are data classes that its own may not be, besides the shipped ones.
    """
    problems = [*_form(recognizer, taken), *_patterns(recognizer)]
    return problems or [*_breadth(recognizer), *_examples(recognizer)]


def _form(item: CustomRecognizer, taken: Collection[str]) -> Iterator[RecognizerProblem]:
    if not _NAME.fullmatch(item.name):
        yield RecognizerProblem(
            "/name",
            "A name has lower-case letters, digits, - and _, and begins with a letter.",
            "Write customer-number, for example.",
        )
    elif item.data_class in DATA_CLASSES or item.data_class in taken:
        yield RecognizerProblem(
            "/name", f"The data class {item.data_class} exists already.", "Choose another name."
        )
    if item.checksum and item.checksum not in CHECKSUMS:
        yield RecognizerProblem(
            "/checksum",
            "This checksum is not known.",
            f"Use one of {', '.join(CHECKSUMS)}, or none.",
        )
    if not 0 < item.score <= 1:
        yield RecognizerProblem("/score", "A score is above 0 and at most 1.", "Write 0.8.")
    yield from _context(item)
    yield from _counts(item)


def _context(item: CustomRecognizer) -> Iterator[RecognizerProblem]:
    for number, word in enumerate(item.context):
        if len(word) > CONTEXT_WORD_LENGTH or not any(c.isalnum() for c in word):
            yield RecognizerProblem(
                f"/context/{number}",
                f"A word of context has letters or digits, and at most {CONTEXT_WORD_LENGTH} "
                "characters.",
                "Name the words that stand beside what is searched for.",
            )


def _counts(item: CustomRecognizer) -> Iterator[RecognizerProblem]:
    for field, values, least, most in (
        ("patterns", item.patterns, 1, MAX_PATTERNS),
        ("context", item.context, 0, MAX_CONTEXT_WORDS),
        ("must_match", item.must_match, 1, MAX_EXAMPLES),
        ("must_not_match", item.must_not_match, 0, MAX_EXAMPLES),
    ):
        if not least <= len(values) <= most:
            yield RecognizerProblem(
                f"/{field}", f"This needs {least} to {most} entries.", "Add some, or drop some."
            )
    for field in ("must_match", "must_not_match"):
        for number, text in enumerate(getattr(item, field)):
            if not text.strip() or len(text) > MAX_EXAMPLE_LENGTH:
                yield RecognizerProblem(
                    f"/{field}/{number}",
                    f"An example is a text of at most {MAX_EXAMPLE_LENGTH} characters.",
                    "Shorten it to what matters.",
                )


def _patterns(item: CustomRecognizer) -> Iterator[RecognizerProblem]:
    for number, source in enumerate(item.patterns[:MAX_PATTERNS]):
        field = f"/patterns/{number}"
        try:
            tree = read_pattern(source, ignore_case=item.ignore_case)
            CustomMatcher([_alone(item, source)])
            require_few_states(tree)
        except PatternError as error:
            yield RecognizerProblem(
                field, f"At character {error.position}: {error.sentence}", error.advice
            )
        except TooManyCharacters:
            yield RecognizerProblem(
                field,
                "The pattern names too many different characters.",
                r"Use classes such as \w, or divide it into several patterns.",
            )
        else:
            yield from _too_short(tree, field)


def _alone(item: CustomRecognizer, source: str) -> CustomRecognizer:
    return CustomRecognizer(
        name="alone", category=item.category, patterns=(source,), ignore_case=item.ignore_case
    )


def _too_short(tree: Node, field: str) -> Iterator[RecognizerProblem]:
    if tree.least == 0:
        yield RecognizerProblem(
            field, "The pattern matches the empty text.", "Say what must be there."
        )
    elif tree.least < LEAST_CHARACTERS:
        yield RecognizerProblem(
            field,
            "The pattern matches a single character.",
            f"Make it match at least {LEAST_CHARACTERS}.",
        )


def _breadth(item: CustomRecognizer) -> Iterator[RecognizerProblem]:
    matcher = CustomMatcher([item])
    hit = [line for line in ORDINARY_LINES if any(matcher.find(join([line]), lambda: None))]
    if len(hit) > ORDINARY_SHARE * len(ORDINARY_LINES):
        yield RecognizerProblem(
            "/patterns",
            f"It finds something in {len(hit)} of {len(ORDINARY_LINES)} lines of ordinary text, "
            f"such as “{_shortened(hit[0])}”",
            "Narrow the patterns, or require words of context.",
        )


def _shortened(line: str) -> str:
    return line if len(line) <= 60 else line[:60] + "…"


def _examples(item: CustomRecognizer) -> Iterator[RecognizerProblem]:
    # As requests are analysed, so that an example promises what will happen to them.
    analyser = Analyser(custom=(item,))
    for field, wanted in (("must_match", True), ("must_not_match", False)):
        for number, text in enumerate(getattr(item, field)):
            found = any(
                finding.data_class == item.data_class
                for finding in analyser.analyse([text]).findings
            )
            if found != wanted:
                # Without the example: it may be a real value.
                yield RecognizerProblem(
                    f"/{field}/{number}",
                    "This example is found, and must not be."
                    if found
                    else "This example is not found.",
                    "Change the patterns, or the example.",
                )
