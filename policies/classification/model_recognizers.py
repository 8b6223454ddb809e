"""Model recognizers: what a classifier on an on_prem deployment is asked, and what its labels mean.

Definitions alone. Who is asked, when, and what an answer looks like is not known here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

DEFAULT_WINDOW = 1000
DEFAULT_OVERLAP = 100
DEFAULT_TIMEOUT_S = 10.0
DEFAULT_AT_LEAST = 0.5


class Asks(StrEnum):
    """What the model does, and with that what it is asked."""

    CLASSIFY = "classify"  # one judgement about a text
    TOKEN_CLASSIFY = "token_classify"  # noqa: S105 -- one about each of its tokens
    CHAT = "chat"  # a chat model that names what it finds, in a structured answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Finds:
    """A data class that the model finds, as a category.

    `labels` are those of the model's that mean it, `at_least` how likely they must be together
    (0..1). A chat model has no labels: `what` tells it in words what to look for.
    """

    data_class: str
    category: str
    labels: tuple[str, ...] = ()
    at_least: float = DEFAULT_AT_LEAST
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecognizer:
    """One model that is asked about every text of a request.

    `labels` are all of the model's, in its own order. Longer texts are asked in windows of
    `window` characters that share `overlap`. `timeout_s` bounds everything that one request asks.
    """

    name: str
    deployment: str
    asks: Asks
    finds: tuple[Finds, ...]
    labels: tuple[str, ...] = ()
    window: int = DEFAULT_WINDOW
    overlap: int = DEFAULT_OVERLAP
    timeout_s: float = DEFAULT_TIMEOUT_S


def classes_of(recognizers: Iterable[ModelRecognizer]) -> dict[str, str]:
    """Every data class that they find -> its category; of two for one class the last counts."""
    return {each.data_class: each.category for item in recognizers for each in item.finds}
