"""One request's scan: readings, regions, findings, reasons to call it opaque."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence

from policies.classification import encoded
from policies.classification.custom_patterns import CustomMatcher
from policies.classification.findings import Analysis, Finding
from policies.classification.locate import Hits, Locator
from policies.classification.normalise import Reading, fold, latinise, readings
from policies.classification.plan import PLAN
from policies.classification.recognizers import DATA_CLASSES, RECOGNIZERS, code
from policies.classification.recognizers.digits import is_time_or_uuid
from policies.classification.resolve import Found, resolve
from policies.classification.spans import SEPARATOR, Recognizer, join
from policies.classification.word_lists import WordMatcher

# Base64 within base64: how many layers are decoded.
MAX_DEPTH = 2
# Regions are searched in pieces of this many characters, with a look at the clock after each.
PIECE = 65_536
_SECRETS = frozenset(name for name, category in DATA_CLASSES.items() if category == "secret")

ToOrigin = Callable[[int, int], tuple[int, int]]


class OverBudget(Exception):
    """The scan took longer than its budget."""


class Scan:
    """The state of one `analyse`: what was found so far, in the joined text."""

    __slots__ = (
        "_clock",
        "_custom",
        "_deadline",
        "_found",
        "_locator",
        "_opaque",
        "_seen",
        "_words",
    )

    def __init__(
        self,
        locator: Locator,
        clock: Callable[[], float],
        deadline: float,
        *,
        words: WordMatcher | None = None,
        custom: CustomMatcher | None = None,
    ) -> None:
        self._locator = locator
        self._words = words
        self._custom = custom
        self._clock = clock
        self._deadline = deadline
        self._found: list[Found] = []
        self._opaque: set[str] = set()
        self._seen: set[tuple[int, str]] = set()

    def ascii(self, joined: str, hits: Hits) -> None:
        """Scan a text of ASCII alone, whose hits are known."""
        self._examine(Reading(joined), hits, _same, 0, derive=True)

    def unicode(self, joined: str) -> None:
        """Scan any other text."""
        self._read_folded(Reading(joined), _same, 0)

    def analysis(self, texts: Sequence[str], categories: Mapping[str, str]) -> Analysis:
        """What was found, by text. `categories`: of each data class."""
        opaque = frozenset(self._opaque)
        if not self._found:
            return Analysis(opaque=opaque)
        starts = []
        position = 1
        for text in texts:
            starts.append(position)
            position += len(text) + 1
        findings = []
        for item in resolve(self._found, _SECRETS):
            index = bisect_right(starts, item.start) - 1
            offset = starts[index]
            # INVARIANT: no recognizer matches across texts; the bound is a second lock.
            end = min(item.end - offset, len(texts[index]))
            start = item.start - offset
            if start >= end:
                continue
            findings.append(
                Finding(
                    data_class=item.data_class,
                    category=categories[item.data_class],
                    start=start,
                    end=end,
                    score=item.score,
                    recognizer=item.recognizer,
                    field=index,
                )
            )
        return Analysis(tuple(findings), opaque)

    def _read(self, reading: Reading, to_origin: ToOrigin, depth: int, *, derive: bool) -> None:
        hits = self._locator.locate(reading.text.encode("latin-1", "replace"))
        self._examine(reading, hits, to_origin, depth, derive=derive)

    def _read_folded(self, given: Reading, to_origin: ToOrigin, depth: int) -> None:
        """Read a text of any characters. One of letters of Latin-1 at most is read as it is: a
        trigger wakes the folding of the few special characters there."""
        try:
            data = given.text.encode("latin-1")
        except UnicodeEncodeError:
            folded, lossy = fold(given)
            if folded is None or lossy:
                self._read(given, to_origin, depth, derive=folded is None)
            if folded is not None:
                self._read(folded, _through(folded, to_origin), depth, derive=True)
            alike = latinise(given)
            if alike is not None:
                self._read(alike, _through(alike, to_origin), depth, derive=False)
        else:
            self._examine(given, self._locator.locate(data), to_origin, depth, derive=True)

    def _examine(
        self, reading: Reading, hits: Hits, to_origin: ToOrigin, depth: int, *, derive: bool
    ) -> None:
        """Confirm the hits in one reading. `derive`: also make the readings that follow from it."""
        self._check_clock()
        text = reading.text
        if self._words is not None:
            for span in self._words.find(text):
                self._add(span, "words", to_origin)
        if self._custom is not None:
            for span in self._custom.find(text, self._check_clock):
                self._add(span, "own", to_origin)
            self._check_clock()
        sorted_hits = _Sorted(hits, text)
        first = len(self._found)
        for number, opened in sorted_hits.regions.items():
            self._search(RECOGNIZERS[number], text, opened, to_origin)
        if sorted_hits.signals:
            self._judge_code(text, sorted_hits.signals, to_origin)
        if sorted_hits.opaque:
            self._opaque.add("encoded_text")
        if sorted_hits.runs and depth < MAX_DEPTH:
            self._decode(text, sorted_hits.runs, to_origin, depth, first)
        if derive and (sorted_hits.escaped or sorted_hits.latin):
            self._derive(reading, to_origin, depth, escaped=sorted_hits.escaped)

    def _search(
        self,
        recognizer: Recognizer,
        text: str,
        opened: list[tuple[int, int]],
        to_origin: ToOrigin,
    ) -> None:
        for start, end in _merged(opened):
            for piece in range(start, end, PIECE):
                for span in recognizer.find(text, piece, min(end, piece + PIECE)):
                    self._add(span, recognizer.name, to_origin)
                self._check_clock()

    def _judge_code(self, text: str, signals: Hits, to_origin: ToOrigin) -> None:
        fields = []
        start = 1
        while (end := text.find(SEPARATOR, start)) >= 0:
            fields.append((start, end))
            start = end + 1
        signals.sort(key=lambda hit: hit[1])
        for span in code.judge(text, fields, signals):
            self._add(span, code.NAME, to_origin)

    def _decode(self, text: str, hits: Hits, to_origin: ToOrigin, depth: int, first: int) -> None:
        """Scan what encoded runs say. Findings cover the whole run: half of it is no use."""
        hits.sort(key=lambda hit: hit[1])
        texts: list[str] = []
        origins: list[tuple[int, int]] = []
        for run in encoded.runs(text, hits):
            origin = to_origin(run.start, run.end)
            if run.text is None:
                if not self._is_secret(origin, first):
                    self._opaque.add("encoded_text")
                continue
            key = (origin[0], run.text)
            if key not in self._seen:
                self._seen.add(key)
                texts.append(run.text.replace(SEPARATOR, "\x1d"))
                origins.append(origin)
        if not texts:
            return
        starts = [1]
        for decoded in texts[:-1]:
            starts.append(starts[-1] + len(decoded) + 1)

        def whole_run(start: int, _end: int) -> tuple[int, int]:
            return origins[bisect_right(starts, start) - 1]

        self._read_folded(Reading(join(texts)), whole_run, depth + 1)

    def _is_secret(self, origin: tuple[int, int], first: int) -> bool:
        """A long key that was found is no unknown cipher."""
        return any(
            item.data_class in _SECRETS and item.start < origin[1] and origin[0] < item.end
            for item in self._found[first:]
        )

    def _derive(self, reading: Reading, to_origin: ToOrigin, depth: int, *, escaped: bool) -> None:
        root = Reading(reading.text)
        following: Iterator[Reading]
        if escaped:
            following = readings(root)
        else:
            folded, _ = fold(root)
            following = iter([folded] if folded else [])
        for derived in following:
            self._read(derived, _through(derived, to_origin), depth, derive=False)

    def _add(self, span: tuple[int, int, str, float], name: str, to_origin: ToOrigin) -> None:
        start, end = to_origin(span[0], span[1])
        self._found.append(Found(span[2], start, end, span[3], name))

    def _check_clock(self) -> None:
        if self._clock() > self._deadline:
            raise OverBudget


class _Sorted:
    """Hits by what they are: regions per recognizer, signals of code, encoded runs, flags."""

    __slots__ = ("escaped", "latin", "opaque", "regions", "runs", "signals")

    def __init__(self, hits: Hits, text: str) -> None:
        self.regions: dict[int, list[tuple[int, int]]] = {}
        self.signals: Hits = []
        self.runs: Hits = []
        self.opaque = self.escaped = self.latin = False
        plan = PLAN
        length = len(text)
        for index, end in hits:
            if index < plan.signals:
                if index == plan.digits and is_time_or_uuid(text, end):
                    continue
                trigger = plan.triggers[index]
                region = (max(0, end - trigger.back), min(length, end + trigger.ahead))
                for number in plan.owners[index]:
                    self.regions.setdefault(number, []).append(region)
            elif index < plan.runs:
                self.signals.append((index - plan.signals, end))
            elif index < plan.opaque:
                self.runs.append((index - plan.runs, end))
            else:
                self._flag(index)

    def _flag(self, index: int) -> None:
        if index < PLAN.escapes:
            self.opaque = True
        elif index < PLAN.latin:
            self.escaped = True
        else:
            self.latin = True


def _same(start: int, end: int) -> tuple[int, int]:
    return start, end


def _through(reading: Reading, to_origin: ToOrigin) -> ToOrigin:
    """From a derived reading by way of the one it was made from."""

    def lead_back(start: int, end: int) -> tuple[int, int]:
        return to_origin(*reading.to_origin(start, end))

    return lead_back


def _merged(opened: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    if len(opened) > 1:
        opened.sort()
    start, end = opened[0]
    for following_start, following_end in opened:
        if following_start <= end:
            end = max(end, following_end)
        else:
            yield start, end
            start, end = following_start, following_end
    yield start, end
