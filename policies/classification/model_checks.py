"""What is checked of a model recognizer's definition. Whether its deployment may be asked is not
known here."""

import re
from collections.abc import Collection, Iterator

from policies.classification.custom_checks import RecognizerProblem
from policies.classification.model_recognizers import Asks, Finds, ModelRecognizer
from policies.classification.recognizers import DATA_CLASSES

MAX_CLASSES = 20
MAX_LABELS = 500
MAX_WHAT = 200
LEAST_WINDOW, LARGEST_WINDOW = 50, 20_000
SHORTEST_S, LONGEST_S = 0.1, 25.0  # a permit holds for 30 s
# Windows would go on for ever where they shared more.
_SHARE = 4
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_CLASS = re.compile(r"[A-Z][A-Z0-9_]{1,62}")


def check_model_recognizer(
    item: ModelRecognizer, *, categories: Collection[str], taken: Collection[str] = ()
) -> list[RecognizerProblem]:
    """Everything that is wrong with it; empty: it may be saved. No I/O.

    `taken` are classes of other recognizers: each class has one meaning.
    """
    return [*_form(item), *_labels(item), *_classes(item, categories, taken)]


def _form(item: ModelRecognizer) -> Iterator[RecognizerProblem]:
    if not _NAME.fullmatch(item.name):
        yield RecognizerProblem(
            "/name",
            "A name has lower-case letters, digits, - and _, and begins with a letter.",
            "Write person-names, for example.",
        )
    if not LEAST_WINDOW <= item.window <= LARGEST_WINDOW:
        yield RecognizerProblem(
            "/window",
            f"A window has {LEAST_WINDOW} to {LARGEST_WINDOW} characters.",
            "Take what fits into the model's context: four characters make about one token.",
        )
    elif not 0 <= item.overlap <= item.window // _SHARE:
        yield RecognizerProblem(
            "/overlap",
            "Windows share at most a quarter of their characters.",
            f"Use {item.window // _SHARE} or less.",
        )
    if not SHORTEST_S <= item.timeout_s <= LONGEST_S:
        yield RecognizerProblem(
            "/timeout_s",
            f"The time-out is {SHORTEST_S} to {LONGEST_S:.0f} seconds.",
            "A text that is not judged in time counts as opaque.",
        )


def _labels(item: ModelRecognizer) -> Iterator[RecognizerProblem]:
    if item.asks is Asks.CHAT:
        if item.labels:
            yield RecognizerProblem(
                "/labels", "A chat model has no labels of its own.", "Say in `what` what to find."
            )
        return
    if not 2 <= len(item.labels) <= MAX_LABELS or len(set(item.labels)) != len(item.labels):
        yield RecognizerProblem(
            "/labels",
            f"All labels of the model are needed, 2 to {MAX_LABELS}, each once.",
            "Write them in the model's order: `id2label` in its config.json.",
        )


def _classes(
    item: ModelRecognizer, categories: Collection[str], taken: Collection[str]
) -> Iterator[RecognizerProblem]:
    if not 1 <= len(item.finds) <= MAX_CLASSES:
        yield RecognizerProblem(
            "/finds", f"It finds 1 to {MAX_CLASSES} data classes.", "Add some, or drop some."
        )
    seen: set[str] = set()
    for number, finds in enumerate(item.finds):
        at = f"/finds/{number}"
        if not _CLASS.fullmatch(finds.data_class):
            yield RecognizerProblem(
                f"{at}/data_class",
                "A data class has capital letters, digits and _, and begins with a letter.",
                "Write PERSON_NAME, for example.",
            )
        elif finds.data_class in DATA_CLASSES or finds.data_class in {*taken, *seen}:
            yield RecognizerProblem(
                f"{at}/data_class",
                f"The data class {finds.data_class} exists already.",
                "Choose another name.",
            )
        seen.add(finds.data_class)
        if finds.category not in categories:
            yield RecognizerProblem(
                f"{at}/category",
                "There is no such category.",
                f"Use one of {', '.join(sorted(categories))}.",
            )
        yield from _meaning(item, finds, at)


def _meaning(item: ModelRecognizer, finds: Finds, at: str) -> Iterator[RecognizerProblem]:
    if item.asks is Asks.CHAT:
        if not finds.what.strip() or len(finds.what) > MAX_WHAT or not finds.what.isprintable():
            yield RecognizerProblem(
                f"{at}/what",
                f"A chat model is told in a line of at most {MAX_WHAT} characters what to find.",
                "Write `names of people`, for example.",
            )
        if finds.labels:
            yield RecognizerProblem(
                f"{at}/labels", "A chat model has no labels of its own.", "Say it in `what`."
            )
        return
    unknown = [label for label in finds.labels if label not in item.labels]
    if unknown or not finds.labels:
        yield RecognizerProblem(
            f"{at}/labels",
            f"The model has no label {unknown[0]!r}." if unknown else "Which labels mean it?",
            "Name some of `labels`.",
        )
    if finds.what:
        yield RecognizerProblem(
            f"{at}/what", "Only a chat model is told in words what to find.", "Name its `labels`."
        )
    if not 0 < finds.at_least <= 1:
        yield RecognizerProblem(
            f"{at}/at_least", "A likelihood is above 0 and at most 1.", "Write 0.5."
        )
