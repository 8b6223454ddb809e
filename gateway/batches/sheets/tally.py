"""Counting what a dry run finds: content-free, and as small for a million rows as for ten."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.batches.pace import FIRST_LIMIT, MOST_LIMIT
from gateway.batches.sheets.judging import Destination, Held, Judged
from gateway.inference.prices import Price, usd
from policies.engine.labels import Label, Sensitivity

SAMPLES = 5  # rows per destination that the preview may show
# An answer's tokens where the setup sets no limit: a few words, or a page.
LEAST_OUTPUT, USUAL_OUTPUT = 1, 500


@dataclass(slots=True)
class _Bound:
    rows: int = 0
    prompt_tokens: int = 0
    samples: list[int] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Tally:
    """Rows by where they would go. `output_limit`: the setup's, None where it sets none."""

    output_limit: int | None
    rows: int = 0
    _there: dict[Destination, _Bound] = field(default_factory=dict)
    _held: dict[Held, _Bound] = field(default_factory=dict)
    _sensitivity: Sensitivity = Sensitivity.PUBLIC
    _categories: set[str] = field(default_factory=set)
    _classes: Counter[str] = field(default_factory=Counter)

    def add(self, number: int, judged: Judged) -> None:
        """Count a row."""
        self.rows += 1
        if judged.destination is not None:
            bound = self._there.setdefault(judged.destination, _Bound())
        elif judged.held is not None:
            bound = self._held.setdefault(judged.held, _Bound())
        else:
            raise ValueError("a row goes somewhere or is held")
        bound.rows += 1
        bound.prompt_tokens += judged.prompt_tokens
        if len(bound.samples) < SAMPLES:
            bound.samples.append(number)
        if judged.label is not None:
            self._sensitivity = max(self._sensitivity, judged.label.sensitivity)
            self._categories |= judged.label.categories
        if judged.decided is not None:
            self._classes.update(dict.fromkeys(judged.decided.labelled.data_classes, 1))

    @property
    def label(self) -> Label:
        """The join over all rows."""
        return Label(self._sensitivity, frozenset(self._categories))

    @property
    def deployments(self) -> list[str]:
        """Those that any row would go to first."""
        return sorted({where.deployment for where in self._there})

    @property
    def output_most(self) -> int:
        """The tokens of the longest answer that is reckoned with."""
        return USUAL_OUTPUT if self.output_limit is None else self.output_limit

    def as_data(
        self, *, prices: Mapping[str, Price], answer_s: Mapping[str, float]
    ) -> dict[str, Any]:
        """The estimate. `answer_s`: how long a deployment took lately."""
        going = sum(bound.rows for bound in self._there.values())
        return {
            "rows": self.rows,
            "to_send": going,
            "destinations": [
                self._destination(where, bound, prices.get(where.deployment))
                for where, bound in sorted(self._there.items(), key=lambda item: -item[1].rows)
            ],
            "held": [
                {
                    "code": why.code,
                    "rules": list(why.rules),
                    "sentence": why.sentence,
                    "rows": bound.rows,
                    "samples": bound.samples,
                }
                for why, bound in sorted(self._held.items(), key=lambda item: -item[1].rows)
            ],
            "label": {
                "sensitivity": self._sensitivity.word,
                "categories": sorted(self._categories),
            },
            "rows_with": dict(sorted(self._classes.items())),
            "tokens": {
                "input": sum(bound.prompt_tokens for bound in self._there.values()),
                "output_most": going * self.output_most,
                "output_is_assumed": self.output_limit is None,
            },
            "cost_usd": self._cost(prices),
            "time_s": self._time(answer_s),
        }

    def _destination(
        self, where: Destination, bound: _Bound, price: Price | None
    ) -> dict[str, Any]:
        return {
            "name": where.name,
            "deployment": where.deployment,
            "zone": where.zone,
            "masked": where.masked,
            "rows": bound.rows,
            "tokens": bound.prompt_tokens,
            "cost_usd": _range(self._nano(bound, price)) if price is not None else None,
            "samples": bound.samples,
        }

    def _nano(self, bound: _Bound, price: Price) -> tuple[int, int]:
        least = price.cost_nano(
            prompt_tokens=bound.prompt_tokens, completion_tokens=bound.rows * LEAST_OUTPUT
        )
        most = price.cost_nano(
            prompt_tokens=bound.prompt_tokens, completion_tokens=bound.rows * self.output_most
        )
        return least, most

    def _cost(self, prices: Mapping[str, Price]) -> dict[str, str] | None:
        """None when nobody knows the price of a deployment that rows would go to."""
        least = most = 0
        for where, bound in self._there.items():
            price = prices.get(where.deployment)
            if price is None:
                return None
            low, high = self._nano(bound, price)
            least, most = least + low, most + high
        return _range((least, most))

    def _time(self, answer_s: Mapping[str, float]) -> dict[str, int] | None:
        """None when some deployment has never answered. Deployments work side by side, each on
        as many rows at once as it takes, from the first limit to the highest."""
        least = most = 0.0
        for where, bound in self._there.items():
            took = answer_s.get(where.deployment)
            if took is None:
                return None
            least = max(least, bound.rows * took / MOST_LIMIT, took)
            most = max(most, bound.rows * took / FIRST_LIMIT, took)
        return {"least": int(least), "most": int(most) + 1}


def _range(nano: tuple[int, int]) -> dict[str, str]:
    least, most = nano
    return {"least": f"{usd(least):f}", "most": f"{usd(most):f}"}
