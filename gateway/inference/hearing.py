"""What model recognizers said about the texts of one request (semantic rule 10).

`decide` does no I/O, so nobody is asked there: it looks up what was heard, and what it misses is
noted, asked (`asking.py`), and decided again.

INVARIANT: a text that a model recognizer should have judged and did not is opaque, like any scan
that failed. Only a preview, which sends nothing, may go on without.
"""

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Container, Mapping
from dataclasses import replace

from gateway.inference.contracts import Analyser, Asked, ProjectView, Snapshot
from gateway.protocol.classifying import Span
from policies.classification.findings import Analysis, Finding

UNHEARD = "model_recognizer"  # why a text counts as opaque
MOST_REMEMBERED = 4096
REMEMBERED_S = 600.0  # a server may serve another model under the same name

Spans = tuple[Span, ...]


class Memory:
    """What was said about texts lately, in this process: a conversation sends its history again
    with every message. Texts are not kept: a keyed hash of each stands for it, with the project,
    the recognizer and the model that judged it."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._secret = os.urandom(32)
        self._known: OrderedDict[bytes, tuple[float, Spans]] = OrderedDict()

    def place(self, project: str, asked: Asked, snapshot: Snapshot) -> str | None:
        """Where a recognizer's answers are kept; None: nowhere, nobody could be asked."""
        at = snapshot.destinations.get(asked.recognizer.deployment)
        if at is None:
            return None
        return repr((project, asked.recognizer, at.base_url, at.upstream_model))

    def look_up(self, place: str, text: str) -> Spans | None:
        """What was said about the text; None: nothing that still counts."""
        key = self._key(place, text)
        known = self._known.get(key)
        if known is None:
            return None
        if self._monotonic() - known[0] > REMEMBERED_S:
            del self._known[key]
            return None
        return known[1]

    def keep(self, place: str, text: str, spans: Spans) -> None:
        """Remember it; the oldest of too many is forgotten."""
        self._known[self._key(place, text)] = (self._monotonic(), spans)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

    def _key(self, place: str, text: str) -> bytes:
        hashed = hashlib.blake2b(place.encode(errors="surrogatepass"), key=self._secret)
        hashed.update(b"\0" + text.encode(errors="surrogatepass"))
        return hashed.digest()


class Hearing:
    """The answers about one request. `missing`: by recognizer, the texts nobody was asked about.

    `previews`: what is missing is left out instead of being opaque; only for what sends nothing.
    `scans` is for the audit: [recognizer, deployment, "ok", "remembered" or how it failed].
    """

    __slots__ = ("_heard", "_memory", "_places", "missing", "previews", "scans", "used")

    def __init__(self, memory: Memory | None = None, *, previews: bool = False) -> None:
        self._memory = memory
        self.previews = previews
        self._heard: dict[tuple[str, str], Spans | None] = {}
        self._places: dict[str, str | None] = {}
        self.missing: dict[str, dict[str, None]] = {}
        self.used: dict[str, str] = {}  # recognizer -> deployment, where memory said something
        self.scans: list[list[str]] = []

    def over(self, view: ProjectView, snapshot: Snapshot) -> ProjectView:
        """The view, with recognizers that also say what was heard here."""
        self.missing = {}
        if self._memory is not None:
            self._places = {
                asked.recognizer.name: self._memory.place(view.slug, asked, snapshot)
                for asked in view.asked
            }
        # The alias asked for is one of the texts, and a name to many a model (`claude`). Whatever
        # equals a known alias tells nobody anything.
        hears = _Hears(view.analyser, view.asked, self, view.policy.aliases)
        return replace(view, analyser=hears)

    def about(self, asked: Asked, text: str) -> Spans | None:
        """What the recognizer said about a text; None: nothing, so far or for good."""
        name = asked.recognizer.name
        key = (name, text)
        if key in self._heard:
            return self._heard[key]
        place = self._places.get(name)
        if place is not None and self._memory is not None:
            known = self._memory.look_up(place, text)
            if known is not None:
                self._heard[key] = known
                self.used[name] = asked.recognizer.deployment
                return known
        self.missing.setdefault(name, {})[text] = None
        return None

    def hear(self, name: str, answers: Mapping[str, Spans | None]) -> None:
        """Take in what was said about texts; None for what got no answer."""
        place = self._places.get(name)
        for text, spans in answers.items():
            self._heard[name, text] = spans
            if spans is not None and place is not None and self._memory is not None:
                self._memory.keep(place, text, spans)

    def told(self) -> list[list[str]]:
        """For the audit: every scan, and who was not asked because the answers were there."""
        asked = {name for name, *_ in self.scans}
        remembered = [
            [name, deployment, "remembered"]
            for name, deployment in self.used.items()
            if name not in asked
        ]
        return [*self.scans, *remembered]


class _Hears:
    """An analyser that adds what models said to what it finds itself."""

    __slots__ = ("_aliases", "_analyser", "_asked", "_hearing", "data_classes")

    def __init__(
        self,
        analyser: Analyser,
        asked: tuple[Asked, ...],
        hearing: Hearing,
        aliases: Container[str],
    ) -> None:
        self._aliases = aliases
        self._analyser = analyser
        self._asked = asked
        self._hearing = hearing
        self.data_classes = analyser.data_classes

    def analyse(self, texts: list[str]) -> Analysis:
        """As the analyser does, and what was heard about each text."""
        analysis = self._analyser.analyse(texts)
        findings = list(analysis.findings)
        opaque = analysis.opaque
        for asked in self._asked:
            for index, text in enumerate(texts):
                if not text or text.isspace() or text in self._aliases:
                    continue
                spans = self._hearing.about(asked, text)
                if spans is None:
                    if not self._hearing.previews:
                        opaque |= {UNHEARD}
                    continue
                findings += [
                    Finding(
                        data_class=span.data_class,
                        category=span.category,
                        start=span.start,
                        end=span.end,
                        score=span.score,
                        recognizer=asked.recognizer.name,
                        field=index,
                    )
                    for span in spans
                ]
        findings.sort(key=lambda each: (each.field, each.start, each.end, each.data_class))
        return Analysis(findings=tuple(findings), opaque=opaque)
