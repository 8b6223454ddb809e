"""The analyser: all texts of one request in, findings out.

The texts are joined and scanned once by one database of triggers; only where a trigger fires is
anything looked at more closely. A request without a hit costs the join, the encoding and the
scan. Other readings of the text (folded, unescaped, decoded) are made only when a trigger says
that there is something to fold, unescape or decode.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from policies.classification.custom_patterns import CustomMatcher, CustomRecognizer
from policies.classification.findings import Analysis
from policies.classification.locate import HAS_HYPERSCAN, TooManyHits
from policies.classification.plan import shared_locator
from policies.classification.recognizers import DATA_CLASSES
from policies.classification.scan import OverBudget, Scan
from policies.classification.spans import SEPARATOR, join
from policies.classification.word_lists import WordList, WordMatcher

# A hundred times what the slowest text of 100 kB takes; a text of many megabytes may exceed it.
DEFAULT_BUDGET_S = 1.0

_CLEAN = Analysis()
_OVER_BUDGET = Analysis(opaque=frozenset({"scan_budget"}))
_FAILED = Analysis(opaque=frozenset({"scan_failed"}))


class Analyser:
    """A project's recognizers: the shipped ones, its word lists, and `custom` ones.

    `budget_s` (seconds, by `clock`) bounds one `analyse`. `use_hyperscan` None: where installed.
    Of two custom recognizers of one class the last says its category. `elsewhere` has the classes
    that models find, with their categories: for whoever asks what there is. Safe to use from
    several threads. Does no I/O. Raises ValueError for a custom recognizer that cannot be compiled.
    """

    __slots__ = ("_budget_s", "_clock", "_custom", "_locator", "_words", "data_classes")

    def __init__(
        self,
        word_lists: Sequence[WordList] = (),
        budget_s: float = DEFAULT_BUDGET_S,
        *,
        custom: Sequence[CustomRecognizer] = (),
        elsewhere: Mapping[str, str] = MappingProxyType({}),
        clock: Callable[[], float] = time.perf_counter,
        use_hyperscan: bool | None = None,
    ) -> None:
        hyper = HAS_HYPERSCAN if use_hyperscan is None else use_hyperscan
        self._budget_s = budget_s
        self._clock = clock
        self._locator = shared_locator(hyper=hyper)
        self._words = WordMatcher(word_lists, hyper=hyper) if word_lists else None
        self._custom = CustomMatcher(custom) if custom else None
        self.data_classes: Mapping[str, str] = DATA_CLASSES
        if self._words is not None:
            self.data_classes = self._words.categories
        if self._custom is not None:
            # A shipped class keeps its category, whatever is named like it.
            self.data_classes = {**self.data_classes, **self._custom.categories, **DATA_CLASSES}
        if elsewhere:
            self.data_classes = {**elsewhere, **self.data_classes}

    def analyse(self, texts: list[str]) -> Analysis:
        """Findings over all texts; `Finding.field` is the index into `texts`.

        Never raises for content: what fails or exceeds the budget comes back opaque. The texts
        belong together: words of context in one count for the numbers of the next.
        """
        try:
            return self._analyse(texts)
        except (OverBudget, TooManyHits):
            return _OVER_BUDGET
        except Exception:  # noqa: BLE001 an outer border: whatever fails inside is opaque
            return _FAILED

    def _analyse(self, texts: list[str]) -> Analysis:
        joined = join(texts)
        if joined.count(SEPARATOR) > len(texts) + 1:
            # The separator within a text would look like the border of two.
            joined = join([text.replace(SEPARATOR, "\x1d") for text in texts])
        started = self._clock()
        ascii_only = joined.isascii()
        hits: list[tuple[int, int]] = []
        if ascii_only:
            hits = self._locator.locate(joined.encode("ascii"))
            if not hits and self._words is None and self._custom is None:
                return _CLEAN
        scan = Scan(
            self._locator,
            self._clock,
            started + self._budget_s,
            words=self._words,
            custom=self._custom,
        )
        if ascii_only:
            scan.ascii(joined, hits)
        else:
            scan.unicode(joined)
        return scan.analysis(texts, self.data_classes)
