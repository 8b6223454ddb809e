"""Counts what ended. On a request's path this is one append; the counting is done by the hundred,
or when somebody looks.

Pure: no Django, no clock, no I/O. Safe to call from several threads.
"""

import threading
from bisect import bisect_left
from collections import defaultdict
from typing import Final

from gateway.audit.records import DecisionRecord, OutcomeRecord
from gateway.telemetry import names
from gateway.telemetry.names import MOST_VALUES, OTHER, SECONDS, Metric

_FOLD_AT: Final = 256
_NANO: Final = 1_000_000_000
Labels = tuple[str, ...]


class Histogram:
    """How many came within each bound, and their sum."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds

    @property
    def cumulative(self) -> list[tuple[str, float]]:
        """Prometheus's buckets."""
        found, total = [], 0
        for bound, count in zip((*SECONDS, "+Inf"), self.counts, strict=True):
            total += count
            found.append((str(bound), float(total)))
        return found


class Tally:
    """Implements `gateway.inference.contracts.Watch`. One per process."""

    def __init__(self) -> None:
        self._waiting: list[tuple[DecisionRecord, OutcomeRecord]] = []
        self._lock = threading.Lock()
        self._known: defaultdict[str, set[str]] = defaultdict(set)
        self.counters: defaultdict[Metric, defaultdict[Labels, float]] = defaultdict(
            lambda: defaultdict(float)
        )
        self.histograms: defaultdict[Metric, dict[Labels, Histogram]] = defaultdict(dict)

    def ended(self, decision: DecisionRecord, outcome: OutcomeRecord) -> None:
        """A request is over."""
        self._waiting.append((decision, outcome))
        if len(self._waiting) >= _FOLD_AT:
            self.fold()

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Count something else."""
        with self._lock:
            self.counters[metric][labels] += by

    def fold(self) -> None:
        """Count what waits."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            for decision, outcome in waiting:
                self._fold(decision, outcome)

    def _fold(self, decision: DecisionRecord, outcome: OutcomeRecord) -> None:
        counters = self.counters
        status = str(outcome.status)
        request = (decision.endpoint, decision.channel, decision.decision, outcome.zone, status)
        counters[names.REQUESTS][request] += 1
        if outcome.error:
            counters[names.REFUSED][self._bounded("code", outcome.error),] += 1
        for name, zone, result in outcome.attempts:
            deployment = self._bounded("deployment", name)
            sent = (deployment, zone, self._bounded("result", result))
            counters[names.SENT][sent] += 1
        for data_class, found in decision.classes.items():
            counters[names.FOUND][self._bounded("data_class", data_class),] += found
        self._time(names.DURATION, decision.endpoint, outcome.duration_ms)
        if outcome.deployment:
            self._fold_answer(decision, outcome)

    def _fold_answer(self, decision: DecisionRecord, outcome: OutcomeRecord) -> None:
        counters = self.counters
        deployment = self._bounded("deployment", outcome.deployment)
        project = self._bounded("project", decision.project)
        for kind, tokens in (
            ("prompt", outcome.prompt_tokens),
            ("completion", outcome.completion_tokens),
        ):
            if tokens:
                counters[names.TOKENS][project, deployment, kind] += tokens
        if outcome.cost_nano:
            counters[names.COST][project, deployment] += outcome.cost_nano / _NANO
        if outcome.masked:
            counters[names.MASKED][deployment,] += outcome.masked
        if outcome.first_byte_ms is not None:
            self._time(names.FIRST_BYTE, deployment, outcome.first_byte_ms)

    def _time(self, metric: Metric, label: str, ms: int) -> None:
        histograms = self.histograms[metric]
        found = histograms.get((label,))
        if found is None:
            found = histograms[label,] = Histogram()
        found.add(ms / 1000)

    def _bounded(self, label: str, value: str) -> str:
        known = self._known[label]
        if value in known:
            return value
        if len(known) >= MOST_VALUES:
            return OTHER
        known.add(value)
        return value
